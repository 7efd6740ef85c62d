package governance

import (
	"errors"
	"fmt"
	"io"

	"concordat/governance/auth"
	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/jsondoc"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
	"concordat/ledger/secret"
	"concordat/ledger/share"
)

// Reasons why shares cannot be issued. They reach members through the exception
// of an action.
var (
	errNoRecoveryMembers = errors.New("there is no active recovery member to issue recovery shares to")
	errNoThreshold       = errors.New("the recovery threshold is not set")
	errNoSecret          = errors.New("this node has no ledger secret")
	errServiceStatus     = errors.New("recovery shares can only be issued while the service is opening or open")
)

// holders are the members that get shares, in byte order of id.
type holders struct{ participants, owners []string }

func recoveryMembers(tx *kv.Tx) (holders, error) {
	var h holders
	err := tables.Members.Each(tx, func(id string, m tables.MemberInfo) bool {
		hasKey := tables.MemberKeys.Has(tx, id)
		if m.Status != tables.MemberActive || !hasKey {
			return true
		}
		switch m.EffectiveRole(hasKey) {
		case tables.Participant:
			h.participants = append(h.participants, id)
		case tables.Owner:
			h.owners = append(h.owners, id)
		}
		return true
	})
	return h, err
}

// check tells whether the threshold can be met by these members.
func (h holders) check(threshold uint64) error {
	switch n := uint64(len(h.participants)); {
	case n == 0 && len(h.owners) == 0:
		return errNoRecoveryMembers
	case threshold == 0:
		return errNoThreshold
	case n == 0 && threshold > 1:
		return fmt.Errorf("the recovery threshold (%d) must be 1 as all recovery members are owners", threshold)
	case n > 0 && threshold > n:
		return fmt.Errorf("the recovery threshold (%d) is greater than the number of active recovery participants (%d)", threshold, n)
	}
	return nil
}

// issueShares splits a fresh wrapping key among the recovery members and wraps
// the ledger secret with it. PreviousStored is only given on a pure re-share.
func (n *Node) issueShares(tx *kv.Tx, s *secret.Secret, previousStored *ledger.Seqno) error {
	config, _, err := tables.Config.Get(tx)
	if err != nil {
		return err
	}
	h, err := recoveryMembers(tx)
	if err != nil {
		return err
	}
	if err := h.check(config.RecoveryThreshold); err != nil {
		return err
	}
	split, full, wrapping, err := share.Split(int(config.RecoveryThreshold), max(len(h.participants), 1), n.Rand)
	if err != nil {
		return err
	}
	row := tables.RecoveryShares{
		EncryptedShares:             map[string][]byte{},
		PreviousSecretStoredVersion: previousStored,
		WrappedLatestLedgerSecret:   share.Wrap(wrapping, s),
	}
	for i, id := range h.participants {
		if err := n.encryptShare(tx, row.EncryptedShares, id, split[i]); err != nil {
			return err
		}
	}
	for _, id := range h.owners {
		if err := n.encryptShare(tx, row.EncryptedShares, id, full); err != nil {
			return err
		}
	}
	return tables.Shares.Put(tx, row)
}

func (n *Node) encryptShare(tx *kv.Tx, into map[string][]byte, id string, plain []byte) error {
	pem, _ := tables.MemberKeys.PEM(tx, id)
	sealed, err := keys.EncryptTo(n.Rand, []byte(pem), plain)
	if err != nil {
		return fmt.Errorf("encryption key of member %s: %w", id, err)
	}
	into[id] = sealed
	return nil
}

// refreshShares gives the recovery members new shares of the current secret.
func (n *Node) refreshShares(tx *kv.Tx) error {
	service, _, err := tables.Service.Get(tx)
	if err != nil {
		return err
	}
	// During a recovery the shares on the ledger are the only way back to the
	// old secrets; overwriting them would lose the private ledger.
	if service.Status != tables.ServiceOpen && service.Status != tables.ServiceOpening {
		return errServiceStatus
	}
	link, ok := n.Secrets.Latest()
	if !ok {
		return errNoSecret
	}
	return n.issueShares(tx, link.Secret, link.PreviousStored)
}

// rekey makes a new ledger secret: every trusted node gets it, the old one is
// sealed under it, and members get shares of it. It is valid after this entry.
func (n *Node) rekey(tx *kv.Tx) error {
	service, _, err := tables.Service.Get(tx)
	if err != nil {
		return err
	}
	if service.Status != tables.ServiceOpen {
		return shown("Could not rekey ledger")
	}
	old, ok := n.Secrets.Latest()
	if !ok || n.Rekeys == nil {
		return errNoSecret
	}
	fresh, err := secret.Generate(n.Rand)
	if err != nil {
		return err
	}
	if err := n.broadcast(tx, fresh); err != nil {
		return err
	}
	if err := n.sealPrevious(tx, old, fresh); err != nil {
		return err
	}
	return n.issueShares(tx, fresh, nil)
}

// broadcast writes the secret for every recipient and stages it.
func (n *Node) broadcast(tx *kv.Tx, s *secret.Secret) error {
	pems, err := recipients(tx)
	if err != nil {
		return err
	}
	row := map[string][]tables.NodeSecret{}
	for id, pem := range pems {
		sealed, err := keys.EncryptTo(n.Rand, []byte(pem), s.Bytes())
		if err != nil {
			return fmt.Errorf("encryption key of node %s: %w", id, err)
		}
		row[id] = []tables.NodeSecret{{EncryptedSecret: sealed}}
	}
	value, err := jsondoc.Marshal(row)
	if err != nil {
		return err
	}
	tx.Map(tables.EncryptedSecretsTable).Put(tables.Z8, value)
	n.Rekeys.stage(value, s)
	return nil
}

// sealPrevious keeps the old secret reachable from the new one.
func (n *Node) sealPrevious(tx *kv.Tx, old secret.Link, fresh *secret.Secret) error {
	iv := make([]byte, ledger.IVSize)
	if _, err := io.ReadFull(n.Rand, iv); err != nil {
		return err
	}
	previous := &tables.PreviousSecret{
		EncryptedData: secret.SealBlob(fresh.Bytes(), iv, old.Secret.Bytes()),
		Version:       old.Start,
	}
	if stored, ok := tx.Map(tables.HistoricalSecretTable).Version(tables.Z8); ok {
		previous.PreviousSecretStoredVersion = &stored
	}
	return tables.Historical.Put(tx, tables.HistoricalSecret{PreviousLedgerSecret: previous})
}

// EncryptedShare is a member's share as it lies on the ledger.
func EncryptedShare(tx *kv.Tx, id string) ([]byte, error) {
	row, ok, err := tables.Shares.Get(tx)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, refuse(Internal, "Failed to retrieve current recovery shares info")
	}
	sealed, ok := row.EncryptedShares[id]
	if !ok {
		return nil, refuse(ResourceNotFound, "Recovery share not found for member %s.", member(id))
	}
	return sealed, nil
}

// Submission is the answer to a submitted share.
type Submission struct {
	FullKey         bool
	Submitted       int
	Threshold       uint64
	Message         string
	RecoveryStarted bool
}

// SubmitShare takes a member's decrypted share. With enough of them, or with one
// full key, recovery of the private ledger starts; shares that do not fit are
// forgotten, and that is written.
func (e *Engine) SubmitShare(tx *kv.Tx, req *auth.Request, pathID string) (*Submission, error) {
	service, _, err := tables.Service.Get(tx)
	if err != nil {
		return nil, err
	}
	if service.Status != tables.ServiceWaiting {
		return nil, refuse(NotWaitingForShares, "Service is not waiting for recovery shares.")
	}
	if err := SamePathMember(pathID, req.MemberID); err != nil {
		return nil, err
	}
	plain, err := parseShare(req.Payload)
	if err != nil {
		return nil, err
	}
	link, ok := e.Node.Secrets.Latest()
	if !ok {
		return nil, errNoSecret
	}
	iv := make([]byte, ledger.IVSize)
	if _, err := io.ReadFull(e.Node.Rand, iv); err != nil {
		return nil, err
	}
	sealed := secret.SealBlob(link.Secret.Bytes(), iv, plain)
	if err := tables.SubmittedShares.Put(tx, req.MemberID, sealed); err != nil {
		return nil, err
	}
	return e.considerShares(tx, link.Secret, plain)
}

// considerShares counts what was submitted and starts recovery when it suffices.
func (e *Engine) considerShares(tx *kv.Tx, s *secret.Secret, newest []byte) (*Submission, error) {
	config, _, err := tables.Config.Get(tx)
	if err != nil {
		return nil, err
	}
	var submitted [][]byte
	var openErr error
	err = tables.SubmittedShares.Each(tx, func(_ string, blob []byte) bool {
		var plain []byte
		plain, openErr = secret.OpenBlob(s.Bytes(), blob)
		submitted = append(submitted, plain)
		return openErr == nil
	})
	if err = errors.Join(err, openErr); err != nil {
		return nil, err
	}
	out := &Submission{FullKey: share.IsFull(newest), Submitted: len(submitted), Threshold: config.RecoveryThreshold}
	out.Message = fmt.Sprintf("%d/%d recovery shares successfully submitted", out.Submitted, out.Threshold)
	if out.FullKey {
		out.Message = "Full recovery key successfully submitted"
		submitted = [][]byte{newest}
	}
	if !out.FullKey && uint64(out.Submitted) < out.Threshold {
		return out, nil
	}
	if e.Node.Recover == nil || e.Node.Recover(tx, submitted, int(out.Threshold)) != nil {
		tx.Map(tables.SubmittedSharesTable).Clear()
		return nil, &Error{Code: Internal, Message: "Failed to initiate private recovery.", Keep: true}
	}
	out.Message += "\nEnd of recovery procedure initiated"
	out.RecoveryStarted = true
	return out, nil
}

func parseShare(payload []byte) ([]byte, error) {
	var body struct {
		Share []byte `json:"share"`
	}
	if err := jsondoc.Unmarshal(payload, &body); err != nil {
		return nil, refuse(InvalidInput, "%v", err)
	}
	return body.Share, nil
}

// SamePathMember checks that the member named by a path is the signer.
func SamePathMember(pathID, signer string) error {
	if pathID != signer {
		return refuse(InvalidAuthenticationInfo, "Member ID from path parameter (%s) does not match member ID from body signature (%s).",
			member(pathID), member(signer))
	}
	return nil
}
