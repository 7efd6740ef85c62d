package keys

import (
	"crypto/elliptic"
	"io"
)

// MemberKeys is what a new member holds: an identity to sign with, its
// self-signed certificate, and a pair to receive recovery shares with. All are
// PEM texts; the two keys are secret.
type MemberKeys struct {
	Cert             []byte
	Key              []byte
	EncryptionKey    []byte
	EncryptionPublic []byte
}

// ID is the member's id in the service.
func (m *MemberKeys) ID() (string, error) {
	cert, err := ParseCertPEM(m.Cert)
	if err != nil {
		return "", err
	}
	return CertID(cert.Raw), nil
}

// NewIdentity makes an identity for a member or user: a key and a self-signed
// certificate whose common name is name.
func NewIdentity(random io.Reader, curve elliptic.Curve, name string, w Window) (key *PrivateKey, cert []byte, err error) {
	subject, err := ParseSubject("CN=" + name)
	if err != nil {
		return nil, nil, err
	}
	key, err = Generate(curve, random)
	if err != nil {
		return nil, nil, err
	}
	cert, err = issue(random, certificate{subject: subject, issuer: subject, key: key.Public(), signer: key, window: w})
	return key, cert, err
}

// NewMember makes a P-384 identity and an RSA-2048 encryption pair, which is
// what CCF's key generator gives a member who takes part in recovery.
func NewMember(random io.Reader, name string, w Window) (*MemberKeys, error) {
	key, cert, err := NewIdentity(random, elliptic.P384(), name, w)
	if err != nil {
		return nil, err
	}
	private, err := key.PEM()
	if err != nil {
		return nil, err
	}
	encryption, err := GenerateEncryptionKey(random)
	if err != nil {
		return nil, err
	}
	secret, err := encryption.PEM()
	if err != nil {
		return nil, err
	}
	public, err := encryption.PublicPEM()
	if err != nil {
		return nil, err
	}
	return &MemberKeys{Cert: cert, Key: private, EncryptionKey: secret, EncryptionPublic: public}, nil
}
