package receipt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
)

// ErrInvalid is returned for a receipt that proves nothing. The error's text
// says in one sentence why.
var ErrInvalid = errors.New("the receipt is not valid")

// Options is what a verifier knows besides the receipt and the service.
type Options struct {
	// Claims are the application's claims: their digest must be the one in the
	// receipt. Nil asks for nothing. Applications may leave the digest out of a
	// JSON receipt, so that whoever checks it has to have the claims.
	Claims []byte
	// ClaimsDigest asks for a digest directly; Claims goes before it.
	ClaimsDigest *ledger.Digest
	// TxID, unless zero, must be the transaction the receipt is about.
	TxID ledger.TxID
	// Identities are COSE identity endorsements, newest first, for a COSE receipt
	// of a transaction that an older service signed.
	Identities [][]byte
	// At, unless zero, is a time at which every certificate must be valid.
	// Ledgers outlive certificates, so by default times are not looked at.
	At time.Time
}

// Form tells the two forms of receipts apart.
type Form string

// The forms.
const (
	FormJSON Form = "JSON"
	FormCOSE Form = "COSE"
)

// Verdict is what a valid receipt proves.
type Verdict struct {
	Form Form
	// TxID is the transaction, from its commit evidence; zero for a signature
	// transaction and for entries of the oldest ledgers, which have none.
	TxID ledger.TxID
	// Root was signed.
	Root ledger.Digest
	// SignedBy is the id of the node, or of the service key for a COSE receipt.
	SignedBy string
	// Claims is the digest of the application's claims, zero when it made none.
	Claims ledger.Digest
	// WriteSetDigest is the digest of the ledger entry; zero when not given.
	WriteSetDigest ledger.Digest
}

// Verify checks a receipt of either form against the certificate of the service.
func Verify(receipt, serviceCertPEM []byte, o Options) (*Verdict, error) {
	service, err := keys.ParseCertPEM(serviceCertPEM)
	if err != nil {
		return nil, fmt.Errorf("the service certificate: %w", err)
	}
	if len(receipt) > MaxReceipt {
		return nil, fmt.Errorf("%w: %d bytes are more than the limit of %d", ErrMalformed, len(receipt), MaxReceipt)
	}
	if t := bytes.TrimSpace(receipt); len(t) > 0 && t[0] == '{' {
		return verifyJSON(t, service, o)
	}
	return verifyCOSE(receipt, service, o)
}

func verifyJSON(b []byte, service *x509.Certificate, o Options) (*Verdict, error) {
	r, err := Parse(b)
	if err != nil {
		return nil, err
	}
	evidence := ""
	if c := r.Components; c != nil {
		evidence = c.CommitEvidence
		if c.Claims == nil {
			c.Claims = o.claims()
		}
	}
	v := &Verdict{Form: FormJSON, Root: r.Root(), SignedBy: r.NodeID}
	if c := r.Components; c != nil {
		v.WriteSetDigest = c.WriteSetDigest
		if c.Claims != nil {
			v.Claims = *c.Claims
		}
	}
	if err := v.check(evidence, o); err != nil {
		return nil, err
	}
	node, err := keys.ParseCertPEM([]byte(r.Cert))
	if err != nil {
		return nil, fmt.Errorf("%w: cert: %w", ErrInvalid, err)
	}
	if id := keys.CertKeyID(node); id != r.NodeID {
		return nil, fmt.Errorf("%w: its certificate is for node %s, not for node %.64q", ErrInvalid, id, r.NodeID)
	}
	pub, err := keys.CertKey(node)
	if err != nil {
		return nil, fmt.Errorf("%w: cert: %w", ErrInvalid, err)
	}
	if !keys.VerifyDigestDER(pub, v.Root[:], r.Signature) {
		return nil, fmt.Errorf("%w: the node's signature does not fit the root %s that leaf and proof lead to", ErrInvalid, v.Root.Hex())
	}
	if err := verifyChain(node, r.Endorsements, service, o.At); err != nil {
		return nil, err
	}
	return v, nil
}

// verifyChain checks that each certificate is signed by the next, and the last
// by the service.
func verifyChain(node *x509.Certificate, endorsements []string, service *x509.Certificate, at time.Time) error {
	chain, what := []*x509.Certificate{node}, []string{"the node certificate"}
	for i, text := range endorsements {
		cert, err := keys.ParseCertPEM([]byte(text))
		if err != nil {
			return fmt.Errorf("%w: service endorsement %d: %w", ErrInvalid, i, err)
		}
		chain, what = append(chain, cert), append(what, fmt.Sprintf("service endorsement %d", i))
	}
	chain, what = append(chain, service), append(what, "the service certificate")
	for i, cert := range chain {
		if i+1 < len(chain) {
			if err := signedBy(cert, chain[i+1]); err != nil {
				return fmt.Errorf("%w: %s is not signed by %s", ErrInvalid, what[i], what[i+1])
			}
		}
		if !at.IsZero() && (at.Before(cert.NotBefore) || at.After(cert.NotAfter)) {
			return fmt.Errorf("%w: %s is valid from %s to %s only", ErrInvalid, what[i], cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// signedBy checks names and signature. Basic constraints of the parent are
// checked by the standard library.
func signedBy(cert, parent *x509.Certificate) error {
	if !bytes.Equal(cert.RawIssuer, parent.RawSubject) {
		return errors.New("other name")
	}
	return cert.CheckSignatureFrom(parent)
}

func verifyCOSE(b []byte, service *x509.Certificate, o Options) (*Verdict, error) {
	r, err := cose.ParseReceipt(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	key, err := keyFor(r, service, o.Identities)
	if err != nil {
		return nil, err
	}
	if err := r.Verify(key); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	p := r.Proofs[0]
	v := &Verdict{Form: FormCOSE, Root: p.Root(), SignedBy: r.Kid, Claims: p.Claims, WriteSetDigest: p.WriteSetDigest}
	if len(r.Proofs) > 1 {
		return nil, fmt.Errorf("%w: it holds %d proofs, and only one can be about the transaction", ErrInvalid, len(r.Proofs))
	}
	if !o.At.IsZero() && (o.At.Before(service.NotBefore) || o.At.After(service.NotAfter)) {
		return nil, fmt.Errorf("%w: the service certificate is valid from %s to %s only", ErrInvalid, service.NotBefore.UTC().Format(time.RFC3339), service.NotAfter.UTC().Format(time.RFC3339))
	}
	if err := v.check(p.CommitEvidence, o); err != nil {
		return nil, err
	}
	return v, nil
}

// keyFor is the key that signed the receipt: the service's own, or the one that
// the identity endorsements lead to.
func keyFor(r *cose.Receipt, service *x509.Certificate, identities [][]byte) (*ecdsa.PublicKey, error) {
	key, err := keys.CertKey(service)
	if err != nil {
		return nil, fmt.Errorf("the service certificate: %w", err)
	}
	if r.Kid == keys.CertKeyID(service) || len(identities) == 0 {
		return key, nil
	}
	if len(identities) > MaxEndorsements {
		return nil, fmt.Errorf("%w: %d identity endorsements are more than the limit of %d", ErrMalformed, len(identities), MaxEndorsements)
	}
	if key, err = cose.VerifyIdentities(key, identities, r.TxID); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return key, nil
}

// check compares what the receipt says with what the verifier asks for.
func (v *Verdict) check(evidence string, o Options) error {
	if evidence != "" {
		id, err := evidenceTxID(evidence)
		if err != nil {
			return err
		}
		v.TxID = id
	}
	if !o.TxID.IsZero() && o.TxID != v.TxID {
		if v.TxID.IsZero() {
			return fmt.Errorf("%w: it does not say which transaction it is about", ErrInvalid)
		}
		return fmt.Errorf("%w: it is about transaction %v, not %v", ErrInvalid, v.TxID, o.TxID)
	}
	want := o.claims()
	if want != nil && evidence == "" {
		return fmt.Errorf("%w: it says nothing about claims", ErrInvalid)
	}
	if want != nil && *want != v.Claims {
		return fmt.Errorf("%w: its claims digest is %s, the claims shown have %s", ErrInvalid, v.Claims.Hex(), want.Hex())
	}
	return nil
}

// claims is the digest asked for, or nil.
func (o Options) claims() *ledger.Digest {
	if o.Claims == nil {
		return o.ClaimsDigest
	}
	sum := ledger.Digest(sha256.Sum256(o.Claims))
	return &sum
}

// evidenceTxID reads "ce:<view>.<seqno>:<64 hex digits>".
func evidenceTxID(evidence string) (ledger.TxID, error) {
	parts := strings.Split(evidence, ":")
	if len(parts) == 3 && parts[0] == "ce" {
		if id, err := ledger.ParseTxID(parts[1]); err == nil {
			return id, nil
		}
	}
	return ledger.TxID{}, fmt.Errorf("%w: its commit evidence does not name a transaction", ErrInvalid)
}
