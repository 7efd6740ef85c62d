package keys

import (
	"crypto/ecdsa"
	"crypto/sha1" // RFC 5280 4.2.1.2 names keys by SHA-1; nothing is trusted for it.
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// Window is the time a certificate is valid, both ends included.
type Window struct{ NotBefore, NotAfter time.Time }

// Days is the window CCF gives: it ends one second before days have passed.
func Days(notBefore time.Time, days int) Window {
	from := notBefore.UTC().Truncate(time.Second)
	return Window{NotBefore: from, NotAfter: from.Add(time.Duration(days)*24*time.Hour - time.Second)}
}

// WindowOf is the window of an existing certificate.
func WindowOf(cert *x509.Certificate) Window {
	return Window{NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}
}

// Issuer is who signs a certificate: the key and its own certificate.
type Issuer struct {
	Key  *PrivateKey
	Cert *x509.Certificate
}

// serialSize is the width of a serial number. 128 random bits need no register
// of numbers already given out.
const serialSize = 16

// Object identifiers of the extensions, RFC 5280 section 4.2.1.
var (
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
)

// Fixed values of the extensions, byte for byte as CCF writes them.
var (
	caPathLen1  = []byte{0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x01}
	notCA       = []byte{0x30, 0x00}
	signsBothCA = []byte{0x03, 0x02, 0x02, 0x84} // digitalSignature, keyCertSign
)

// ServiceCert makes the self-signed certificate of a service, the root every
// client of the service trusts. subject is a name as in "CN=CCF Service".
func ServiceCert(random io.Reader, key *PrivateKey, subject string, w Window) ([]byte, error) {
	name, err := ParseSubject(subject)
	if err != nil {
		return nil, err
	}
	return issue(random, certificate{subject: name, issuer: name, key: key.Public(), signer: key, ca: true, window: w})
}

// RenewServiceCert makes a new certificate for the same service key and name;
// only the serial and the window differ.
func RenewServiceCert(random io.Reader, key *PrivateKey, old *x509.Certificate, w Window) ([]byte, error) {
	if !SamePublicKey(key.Public(), publicOf(old)) {
		return nil, errors.New("renewing a service certificate: the key is not the key of the certificate")
	}
	return issue(random, certificate{subject: old.RawSubject, issuer: old.RawSubject, key: key.Public(), signer: key, ca: true, window: w})
}

// NodeSelfCert makes the certificate a node presents before, and beside, the
// one its service endorses. It may sign, as CCF's does.
func NodeSelfCert(random io.Reader, key *PrivateKey, subject string, sans []SAN, w Window) ([]byte, error) {
	name, alt, err := marshalNames(subject, sans)
	if err != nil {
		return nil, err
	}
	return issue(random, certificate{subject: name, issuer: name, key: key.Public(), signer: key, ca: true, san: alt, window: w})
}

// EndorseNode signs the certificate request of a node with the service key.
// Name, key and alternative names come from the request; everything else it may
// ask for is ignored.
func EndorseNode(random io.Reader, csrPEM []byte, service Issuer, w Window) ([]byte, error) {
	csr, err := ParseCSR(csrPEM)
	if err != nil {
		return nil, err
	}
	pub, err := asEC(csr.PublicKey)
	if err != nil {
		return nil, err
	}
	return issue(random, certificate{
		subject: csr.RawSubject, issuer: service.Cert.RawSubject, key: pub, signer: service.Key,
		issuerCert: service.Cert, san: requestedSAN(csr), window: w,
	})
}

// EndorseIdentity signs the key and name of an older service with the current
// service key. JSON receipts of transactions that predate a recovery carry it.
func EndorseIdentity(random io.Reader, old *x509.Certificate, service Issuer) ([]byte, error) {
	pub, err := CertKey(old)
	if err != nil {
		return nil, err
	}
	return issue(random, certificate{
		subject: old.RawSubject, issuer: service.Cert.RawSubject, key: pub, signer: service.Key,
		issuerCert: service.Cert, ca: true, window: WindowOf(service.Cert),
	})
}

// certificate is everything that differs between the certificates of a service.
type certificate struct {
	subject, issuer []byte // DER names
	key             *ecdsa.PublicKey
	signer          *PrivateKey
	issuerCert      *x509.Certificate // nil when self-signed
	ca              bool
	san             []byte // DER GeneralNames, or none
	window          Window
}

// issue writes and signs one certificate and returns its PEM text. All
// extensions go through ExtraExtensions, because the standard library would
// order them its own way and name keys by a different digest.
func issue(random io.Reader, c certificate) ([]byte, error) {
	spki, err := MarshalSPKI(c.key)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial(random)
	if err != nil {
		return nil, err
	}
	authority, err := c.authorityKeyID()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, RawSubject: c.subject, SignatureAlgorithm: signatureAlgorithm(c.signer),
		NotBefore: c.window.NotBefore.UTC(), NotAfter: c.window.NotAfter.UTC(),
		ExtraExtensions: extensions(c.ca, keyID(spki), authority, c.san),
	}
	parent := &x509.Certificate{RawSubject: c.issuer, PublicKey: c.signer.Public()}
	der, err := x509.CreateCertificate(random, template, parent, c.key, c.signer.ec)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate: %w", err)
	}
	return CertPEM(der), nil
}

func (c *certificate) authorityKeyID() ([]byte, error) {
	if c.issuerCert == nil {
		return keyID(c.signer.spki), nil
	}
	if !SamePublicKey(c.signer.Public(), publicOf(c.issuerCert)) {
		return nil, errors.New("signing a certificate: the issuer's key is not the key of its certificate")
	}
	if len(c.issuerCert.SubjectKeyId) > 0 {
		return c.issuerCert.SubjectKeyId, nil
	}
	return keyID(c.signer.spki), nil
}

func extensions(ca bool, subjectID, authorityID, san []byte) []pkix.Extension {
	constraints := pkix.Extension{Id: oidBasicConstraints, Critical: true, Value: notCA}
	out := make([]pkix.Extension, 0, 5)
	if ca {
		constraints.Value = caPathLen1
		out = append(out, constraints, pkix.Extension{Id: oidKeyUsage, Critical: true, Value: signsBothCA})
	} else {
		out = append(out, constraints)
	}
	subject := append([]byte{asn1.TagOctetString, byte(len(subjectID))}, subjectID...)
	authority := append([]byte{0x30, byte(len(authorityID) + 2), 0x80, byte(len(authorityID))}, authorityID...)
	out = append(out, pkix.Extension{Id: oidSubjectKeyID, Value: subject}, pkix.Extension{Id: oidAuthorityKeyID, Value: authority})
	if len(san) > 0 {
		out = append(out, pkix.Extension{Id: oidSubjectAltName, Value: san})
	}
	return out
}

// keyID is RFC 5280's first method: SHA-1 of the bits of the public key.
func keyID(spki []byte) []byte {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return nil
	}
	sum := sha1.Sum(info.Key.RightAlign()) // see the import
	return sum[:]
}

func newSerial(random io.Reader) (*big.Int, error) {
	var b [serialSize]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	serial := new(big.Int).SetBytes(b[:])
	if serial.Sign() == 0 {
		serial.SetInt64(1)
	}
	return serial, nil
}

func signatureAlgorithm(key *PrivateKey) x509.SignatureAlgorithm {
	switch Hash(key.ec.Curve).Size() {
	case 32:
		return x509.ECDSAWithSHA256
	case 48:
		return x509.ECDSAWithSHA384
	}
	return x509.ECDSAWithSHA512
}

func publicOf(cert *x509.Certificate) *ecdsa.PublicKey {
	pub, _ := cert.PublicKey.(*ecdsa.PublicKey)
	return pub
}
