package governance

import (
	"crypto/x509"
	"fmt"
	"log/slog"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
)

// actions is what the constitution's apply reaches beside tables, within one
// transaction. Everything it does is in that transaction or in its flags, so
// that a failed apply leaves nothing.
type actions struct {
	node  *Node
	tx    *kv.Tx
	flags Flags
	log   func(level slog.Level, tag, msg string)
}

// TriggerLedgerRekey implements ccf.node.triggerLedgerRekey.
func (a *actions) TriggerLedgerRekey() error { return a.node.rekey(a.tx) }

// TriggerRecoverySharesRefresh implements ccf.node.triggerRecoverySharesRefresh.
func (a *actions) TriggerRecoverySharesRefresh() error { return a.node.refreshShares(a.tx) }

// TriggerLedgerChunk implements ccf.node.triggerLedgerChunk.
func (a *actions) TriggerLedgerChunk() error {
	a.flags.ForceChunk()
	return nil
}

// TriggerSnapshot implements ccf.node.triggerSnapshot.
func (a *actions) TriggerSnapshot() error {
	a.flags.ForceSnapshot()
	return nil
}

// LatestLedgerSecretSeqno implements ccf.network.getLatestLedgerSecretSeqno.
func (a *actions) LatestLedgerSecretSeqno() (ledger.Seqno, error) {
	link, ok := a.node.Secrets.Latest()
	if !ok {
		return 0, errNoSecret
	}
	return link.Start, nil
}

// maxValidityDays keeps the end of a validity representable in a certificate.
const maxValidityDays = 365 * 1000

func window(validFrom string, days uint64) (keys.Window, error) {
	from, err := parseTime(validFrom)
	if err != nil {
		return keys.Window{}, err
	}
	if days < 1 || days > maxValidityDays {
		return keys.Window{}, fmt.Errorf("a validity of %d days is out of range", days)
	}
	return keys.Days(from, int(days)), nil
}

// issuing is the service's certificate and the validity of a new one.
func (a *actions) issuing(validFrom string, days uint64) (*x509.Certificate, keys.Window, error) {
	w, err := window(validFrom, days)
	if err != nil {
		return nil, w, err
	}
	cert, err := serviceCert(a.tx)
	return cert, w, err
}

// EndorsedCertificate implements ccf.network.generateEndorsedCertificate.
func (a *actions) EndorsedCertificate(csrPEM, validFrom string, days uint64) (string, error) {
	cert, w, err := a.issuing(validFrom, days)
	if err != nil {
		return "", err
	}
	pem, err := keys.EndorseNode(a.node.Rand, []byte(csrPEM), keys.Issuer{Key: a.node.ServiceKey, Cert: cert}, w)
	return string(pem), err
}

// NetworkCertificate implements ccf.network.generateNetworkCertificate: the key
// and the subject stay, only the validity is new.
func (a *actions) NetworkCertificate(validFrom string, days uint64) (string, error) {
	cert, w, err := a.issuing(validFrom, days)
	if err != nil {
		return "", err
	}
	pem, err := keys.RenewServiceCert(a.node.Rand, a.node.ServiceKey, cert, w)
	return string(pem), err
}

// TransitionServiceToOpen implements ccf.node.transitionServiceToOpen.
func (a *actions) TransitionServiceToOpen(previous, next []byte) error {
	service, ok, err := tables.Service.Get(a.tx)
	if err != nil {
		return err
	}
	if !ok {
		return shown("Service information cannot be found")
	}
	if service.Status == tables.ServiceOpen || service.Status == tables.ServiceWaiting {
		return nil // already decided; a second proposal changes nothing
	}
	if string(next) != service.Cert {
		return shownf("Service identity mismatch: the next service identity in the transition_service_to_open proposal does not match the current service identity:\nNext:\n%s\nCurrent:\n%s",
			next, service.Cert)
	}
	if service.Status == tables.ServiceRecovering {
		return a.awaitShares(service, previous)
	}
	return a.open(service)
}

// open opens a new service: members get their shares, the secret chain and the
// chain of identities get their first link.
func (a *actions) open(service tables.ServiceInfo) error {
	link, ok := a.node.Secrets.Latest()
	if !ok {
		return errNoSecret
	}
	if err := a.node.issueShares(a.tx, link.Secret, nil); err != nil {
		return err
	}
	start := link.Start
	if err := tables.Historical.Put(a.tx, tables.HistoricalSecret{NextVersion: &start}); err != nil {
		return err
	}
	if err := a.node.endorseIdentity(a.tx, service); err != nil {
		return err
	}
	service.Status = tables.ServiceOpen
	a.flags.ForceSnapshot()
	return tables.Service.Put(a.tx, service)
}

// awaitShares lets members submit their shares to a recovering service.
func (a *actions) awaitShares(service tables.ServiceInfo, previous []byte) error {
	recorded, ok, err := tables.PreviousIdentity.Get(a.tx)
	if err != nil {
		return err
	}
	if !ok || previous == nil || string(previous) != recorded {
		return shown("Previous service identity does not match.")
	}
	a.tx.Map(tables.SubmittedSharesTable).Clear()
	if err := tables.LastRecoveryType.Put(a.tx, tables.RecoveryTypeShares); err != nil {
		return err
	}
	service.Status = tables.ServiceWaiting
	return tables.Service.Put(a.tx, service)
}
