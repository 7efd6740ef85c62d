package governance

import (
	"concordat/governance/auth"
	"concordat/governance/tables"
	"concordat/ledger/jsondoc"
	"concordat/ledger/kv"
)

func noAck(code Code, id string) error {
	return refuse(code, "No ACK record exists for member %s.", member(id))
}

// StateDigest is the digest a member was given to sign.
func StateDigest(tx *kv.Tx, id string) (string, error) {
	ack, ok, err := tables.MemberAcks.Get(tx, id)
	if err == nil && !ok {
		err = noAck(ResourceNotFound, id)
	}
	return ack.StateDigest, err
}

// UpdateStateDigest gives the member the newest signed root to sign: who signs it
// has seen a state of the service, and binds itself to it.
func UpdateStateDigest(tx *kv.Tx, req *auth.Request) (string, error) {
	signature, ok, err := tables.Signatures.Get(tx)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", refuse(Internal, "Service has no signatures to ack yet - try again soon.")
	}
	ack, _, err := tables.MemberAcks.Get(tx, req.MemberID)
	if err != nil {
		return "", err
	}
	ack.StateDigest = signature.Root
	return ack.StateDigest, tables.MemberAcks.Put(tx, req.MemberID, ack)
}

// Ack activates a member that signed its state digest. A member that brings a
// share to an open service changes everybody's shares.
func (e *Engine) Ack(tx *kv.Tx, req *auth.Request) error {
	ack, ok, err := tables.MemberAcks.Get(tx, req.MemberID)
	if err != nil {
		return err
	}
	if !ok {
		return noAck(AuthorizationFailed, req.MemberID)
	}
	digest, err := parseStateDigest(req.Payload)
	if err != nil {
		return err
	}
	if digest != ack.StateDigest {
		return refuse(StateDigestMismatch, "Submitted state digest is not valid.\nExpected\n %s\nReceived\n %s", ack.StateDigest, digest)
	}
	row := tables.MemberAck{StateDigest: digest, CoseSign1Req: req.Envelope}
	if err := tables.MemberAcks.Put(tx, req.MemberID, row); err != nil {
		return err
	}
	return e.activate(tx, req.MemberID)
}

// typeError has the frame in which C++ services report a JSON value of the
// wrong type; tools show it as it is.
const typeError = "[json.exception.type_error.302] type must be string, but is %s"

func parseStateDigest(payload []byte) (string, error) {
	doc, err := jsondoc.Parse(payload)
	if err != nil {
		return "", refuse(InvalidInput, "%v", err)
	}
	v := doc.Get("stateDigest")
	digest, ok := v.Str()
	if !ok {
		return "", refuse(InvalidInput, typeError, v.Kind())
	}
	return digest, nil
}

func (e *Engine) activate(tx *kv.Tx, id string) error {
	info, ok, err := tables.Members.Get(tx, id)
	if err != nil {
		return err
	}
	if !ok {
		return refuse(Internal, "Member %s has no information.", member(id))
	}
	if info.Status == tables.MemberActive {
		return nil
	}
	info.Status = tables.MemberActive
	if err := tables.Members.Put(tx, id, info); err != nil {
		return err
	}
	service, ok, err := tables.Service.Get(tx)
	if err != nil || !ok || service.Status != tables.ServiceOpen || !tables.MemberKeys.Has(tx, id) {
		return err
	}
	if err := e.Node.refreshShares(tx); err != nil {
		return refuse(Internal, "Failed to issue new recovery shares: %v", err)
	}
	return nil
}
