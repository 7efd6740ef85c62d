package cose

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"io"

	"concordat/ledger"
	"concordat/ledger/keys"
)

// Identity is the signature of a service over the key of the service before it,
// and the stretch of the ledger that key signed. The first one of a ledger is
// over its own key and has no end. Stored in
// public:ccf.internal.previous_service_identity_endorsement.
type Identity struct {
	IssuedAt uint64
	Start    ledger.TxID
	End      ledger.TxID   // zero in the first one
	EndRoot  ledger.Digest // root signed last by the endorsed key; only with End
	Key      []byte        // DER SubjectPublicKeyInfo of the endorsed key
	Message  *Sign1
}

// SignIdentity endorses a key. The bytes are in CCF's order: 1, 15, "ccf.v1".
func SignIdentity(random io.Reader, key *keys.PrivateKey, id Identity) ([]byte, error) {
	s := &Sign1{Protected: id.encode(Algorithm(key.Public().Curve))}
	return sign(random, key, s, id.Key)
}

func (id *Identity) encode(alg int64) []byte {
	b := appendHead(nil, majorMap, 3)
	b = appendInt(appendInt(b, labelAlg), alg)
	b = appendHead(appendInt(b, labelClaims), majorMap, 1)
	b = appendHead(appendInt(b, claimIssuedAt), majorUint, id.IssuedAt)
	n := uint64(1)
	if !id.End.IsZero() {
		n = 3
	}
	b = appendHead(appendText(b, labelCCF), majorMap, n)
	b = appendText(appendText(b, labelEpochStart), id.Start.String())
	if !id.End.IsZero() {
		b = appendText(appendText(b, labelEpochEnd), id.End.String())
		b = appendBytes(appendText(b, labelEpochRoot), id.EndRoot[:])
	}
	return b
}

// ParseIdentity reads an identity endorsement.
func ParseIdentity(b []byte) (*Identity, error) {
	s, err := ParseSign1(b)
	if err != nil {
		return nil, err
	}
	id := &Identity{Message: s, Key: s.Payload}
	if s.Detached || len(s.Payload) == 0 {
		return nil, fmt.Errorf("%w: identity endorsement without the endorsed key", ErrMalformed)
	}
	claims, _ := s.Header.Map(labelClaims)
	var ok bool
	if id.IssuedAt, ok = claims.Uint(claimIssuedAt); !ok {
		return nil, fmt.Errorf("%w: identity endorsement without a time of issue", ErrMalformed)
	}
	own, _ := s.Header.Map(labelCCF)
	start, _ := own.Text(labelEpochStart)
	if id.Start, err = ledger.ParseTxID(start); err != nil {
		return nil, fmt.Errorf("%w: identity endorsement without a start of its epoch", ErrMalformed)
	}
	return id, id.parseEnd(own)
}

func (id *Identity) parseEnd(own Header) error {
	if !own.Has(labelEpochEnd) && !own.Has(labelEpochRoot) {
		return nil
	}
	end, _ := own.Text(labelEpochEnd)
	root, _ := own.Bytes(labelEpochRoot)
	txid, err := ledger.ParseTxID(end)
	if err != nil || len(root) != len(id.EndRoot) {
		return fmt.Errorf("%w: identity endorsement with half an end of its epoch", ErrMalformed)
	}
	id.End = txid
	copy(id.EndRoot[:], root)
	return nil
}

// Verify checks that the holder of the endorsing key signed it.
func (id *Identity) Verify(endorsing *ecdsa.PublicKey) error {
	return id.Message.Verify(endorsing, nil)
}

// Exact reports whether the message is byte for byte what SignIdentity would
// have written for these values and this signature.
func (id *Identity) Exact(message []byte) bool {
	again := Sign1{
		Protected: id.encode(id.Message.Alg()), Unprotected: []byte{majorMap << 5},
		Payload: id.Key, Signature: id.Message.Signature,
	}
	return bytes.Equal(again.Marshal(), message)
}

// VerifyIdentities walks endorsements from the newest to the oldest, starting
// from the key of the current service, and returns the key that signed the
// transaction. Each endorsed stretch must end where the next newer one begins,
// one recovery (two views) earlier, and the oldest must reach the transaction.
func VerifyIdentities(current *ecdsa.PublicKey, newestFirst [][]byte, tx ledger.TxID) (*ecdsa.PublicKey, error) {
	key := current
	var newer *Identity
	for i, b := range newestFirst {
		id, err := ParseIdentity(b)
		if err != nil {
			return nil, fmt.Errorf("endorsement %d: %w", i, err)
		}
		if err := id.Verify(key); err != nil {
			return nil, fmt.Errorf("endorsement %d: %w", i, err)
		}
		if newer != nil && !newer.follows(id) {
			return nil, fmt.Errorf("endorsement %d: its epoch ends at %v, not right before %v", i, id.End, newer.Start)
		}
		if key, err = keys.ParseSPKI(id.Key); err != nil {
			return nil, fmt.Errorf("endorsement %d: %w", i, err)
		}
		newer = id
	}
	if newer != nil && (tx.Seqno < newer.Start.Seqno || tx.Seqno > newer.End.Seqno) {
		return nil, fmt.Errorf("the endorsements lead to epoch %v to %v, which does not hold %v", newer.Start, newer.End, tx)
	}
	return key, nil
}

// viewsPerRecovery is how far a recovery moves the view.
const viewsPerRecovery = 2

func (id *Identity) follows(older *Identity) bool {
	return !older.End.IsZero() && id.Start.View == older.End.View+viewsPerRecovery && id.Start.Seqno == older.End.Seqno+1
}
