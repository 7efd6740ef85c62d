// Package ledger holds what every other room agrees on: transaction ids, write
// sets, the bytes of a ledger entry, and the digests derived from them.
//
// It is pure: no clock, no randomness, no file, no goroutine.
package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
)

// View is a Raft term as clients see it; the first view of a new service is 2.
type View = uint64

// Seqno is a position in the ledger; the first entry is 1 and 0 means "none".
type Seqno = uint64

// Digest is a SHA-256 digest.
type Digest [sha256.Size]byte

// Hex is the lower-case hexadecimal form, as CCF writes digests in JSON.
func (d Digest) Hex() string { return hex.EncodeToString(d[:]) }

// IsZero reports the all-zero digest, which stands for "no claims".
func (d Digest) IsZero() bool { return d == Digest{} }

// ErrTxID is returned for text that is not a transaction id.
var ErrTxID = errors.New("not a transaction id: want VIEW.SEQNO, two positive decimal numbers")

// TxID names one transaction. The zero value names none.
type TxID struct {
	View  View
	Seqno Seqno
}

// String is the form used in headers and JSON: "2.15".
func (t TxID) String() string { return string(t.AppendTo(make([]byte, 0, 24))) }

// AppendTo appends what String returns.
func (t TxID) AppendTo(dst []byte) []byte {
	dst = strconv.AppendUint(dst, t.View, 10)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, t.Seqno, 10)
}

// IsZero reports whether t names no transaction.
func (t TxID) IsZero() bool { return t == TxID{} }

// ParseTxID reads "view.seqno". Leading zeros are accepted and dropped, as CCF
// does; signs, blanks, zero parts and anything trailing are refused.
func ParseTxID(s string) (TxID, error) {
	view, seqno, ok := strings.Cut(s, ".")
	if !ok {
		return TxID{}, ErrTxID
	}
	v, err := parsePart(view)
	if err != nil {
		return TxID{}, err
	}
	n, err := parsePart(seqno)
	if err != nil {
		return TxID{}, err
	}
	return TxID{View: v, Seqno: n}, nil
}

func parsePart(s string) (uint64, error) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, ErrTxID
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 {
		return 0, ErrTxID
	}
	return n, nil
}
