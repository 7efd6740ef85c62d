package governance

import (
	"crypto/x509"
	"fmt"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
)

// serviceCert is the certificate of the service as the ledger has it.
func serviceCert(tx *kv.Tx) (*x509.Certificate, error) {
	service, ok, err := tables.Service.Get(tx)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, shown("Service information cannot be found")
	}
	return keys.ParseCertPEM([]byte(service.Cert))
}

// endorseIdentity writes the first link of the chain of service identities: the
// service vouches for its own key from the entry that created it. A service that
// has a link already comes from a recovery, whose link is another's to write.
func (n *Node) endorseIdentity(tx *kv.Tx, service tables.ServiceInfo) error {
	if _, ok, err := tables.Endorsement.Get(tx); err != nil || ok {
		return err
	}
	begin, err := ledger.ParseTxID(service.CurrentServiceCreateTxID)
	if err != nil {
		return fmt.Errorf("service info names no creating transaction: %w", err)
	}
	spki := n.ServiceKey.SPKI()
	message, err := cose.SignIdentity(n.Rand, n.ServiceKey, cose.Identity{
		IssuedAt: cose.SecondsOf(n.Now()),
		Start:    begin,
		Key:      spki,
	})
	if err != nil {
		return err
	}
	return tables.Endorsement.Put(tx, tables.IdentityEndorsement{
		Endorsement:  message,
		EpochBegin:   begin.String(),
		EndorsingKey: spki,
	})
}
