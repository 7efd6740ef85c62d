package node

import (
	"io"
	"sync/atomic"
	"time"

	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
)

// signer signs Merkle roots with the node's and the service's key. The
// certificate it shows is the one the service endorsed last.
type signer struct {
	random          io.Reader
	now             func() time.Time
	node            *keys.PrivateKey
	nodeID          string
	service         *keys.PrivateKey
	issuer, subject string
	endorsed        atomic.Pointer[string] // PEM
}

// SignNode implements consensus.Signer: the root itself is the digest.
func (s *signer) SignNode(root ledger.Digest) (consensus.NodeSignature, error) {
	der, err := s.node.SignDigestDER(s.random, root[:])
	if err != nil {
		return consensus.NodeSignature{}, err
	}
	return consensus.NodeSignature{NodeID: s.nodeID, CertPEM: *s.endorsed.Load(), DER: der}, nil
}

// SignService implements consensus.Signer.
func (s *signer) SignService(root ledger.Digest, id ledger.TxID) ([]byte, error) {
	h := cose.RootHeader{IssuedAt: cose.SecondsOf(s.now()), Issuer: s.issuer, Subject: s.subject, TxID: id}
	return cose.SignRoot(s.random, s.service, h, root)
}
