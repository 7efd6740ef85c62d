package node

import (
	"crypto/elliptic"
	"fmt"
	"io"
	"time"

	"concordat/ledger/keys"
	"concordat/ledger/secret"
	"concordat/node/attest"
)

// identity is what a node makes for itself when it starts: its own keys and
// certificates, and, for the first node of a service, the service's. It lives in
// memory and ends with the process; the certificates alone are written out.
type identity struct {
	node       *keys.PrivateKey
	encryption *keys.EncryptionKey
	selfSigned []byte // PEM, valid from start
	csr        []byte // PEM
	evidence   *attest.Evidence

	service     *keys.PrivateKey
	serviceCert []byte // PEM
	endorsed    []byte // PEM: the node's certificate under the service's
	firstSecret *secret.Secret
}

// identityOptions are the parts of the configuration that shape certificates.
type identityOptions struct {
	curve          elliptic.Curve
	nodeSubject    string
	sans           []keys.SAN
	nodeDays       int
	serviceSubject string
	serviceDays    int
}

// newIdentity makes the keys and certificates of the first node of a service.
func newIdentity(random io.Reader, now time.Time, o identityOptions, platform attest.Provider) (*identity, error) {
	id := &identity{}
	if err := id.makeNode(random, now, o, platform); err != nil {
		return nil, fmt.Errorf("making the node's identity: %w", err)
	}
	if err := id.makeService(random, now, o); err != nil {
		return nil, fmt.Errorf("making the service's identity: %w", err)
	}
	return id, nil
}

func (id *identity) makeNode(random io.Reader, now time.Time, o identityOptions, platform attest.Provider) (err error) {
	if id.node, err = keys.Generate(o.curve, random); err != nil {
		return err
	}
	if id.encryption, err = keys.GenerateEncryptionKey(random); err != nil {
		return err
	}
	if id.selfSigned, err = keys.NodeSelfCert(random, id.node, o.nodeSubject, o.sans, keys.Days(now, o.nodeDays)); err != nil {
		return err
	}
	if id.csr, err = keys.NodeCSR(random, id.node, o.nodeSubject, o.sans); err != nil {
		return err
	}
	id.evidence, err = platform.Attest(attest.BindKey(id.node.SPKI()))
	return err
}

func (id *identity) makeService(random io.Reader, now time.Time, o identityOptions) (err error) {
	if id.service, err = keys.Generate(o.curve, random); err != nil {
		return err
	}
	if id.serviceCert, err = keys.ServiceCert(random, id.service, o.serviceSubject, keys.Days(now, o.serviceDays)); err != nil {
		return err
	}
	cert, err := keys.ParseCertPEM(id.serviceCert)
	if err != nil {
		return err
	}
	issuer := keys.Issuer{Key: id.service, Cert: cert}
	if id.endorsed, err = keys.EndorseNode(random, id.csr, issuer, keys.Days(now, o.nodeDays)); err != nil {
		return err
	}
	id.firstSecret, err = secret.Generate(random)
	return err
}
