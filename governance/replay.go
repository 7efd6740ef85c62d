package governance

import (
	"fmt"
	"strconv"
	"strings"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/kv"
)

// maxCreatedAt is the largest timestamp that the ten digits of a key can hold.
const maxCreatedAt = 9_999_999_999

// createdAtDigits is the width of the timestamp in a key.
const createdAtDigits = 10

// guardReplay refuses a proposal that was seen before, or that is too old to
// tell. A signature can be turned into a second valid one without the key; that
// twin counts as the same proposal. The window remembers the newest proposals, and one older than their
// median could have been forgotten. No clock is asked; members agree on time by
// what they sign.
func guardReplay(tx *kv.Tx, createdAt uint64, digest, twin ledger.Digest, proposalID string) error {
	if createdAt > maxCreatedAt {
		return refuse(InvalidCreatedAt, "Header parameter created_at value is too large")
	}
	key := windowKey(createdAt, digest)
	for _, known := range []string{key, windowKey(createdAt, twin)} {
		seen, ok, err := tables.RecentProposals.Get(tx, known)
		if err != nil {
			return err
		}
		if ok {
			return refuse(ProposalReplay, "Proposal submission replay, already exists as proposal %s", seen)
		}
	}
	config, _, err := tables.Config.Get(tx)
	if err != nil {
		return err
	}
	window := tables.Bytes{Name: tables.RecentProposalsTable}
	keys := window.Keys(tx)
	if len(keys) > 0 {
		median := timestampOf(keys[len(keys)/2])
		if timestampOf(key) < median {
			return refuse(ProposalCreatedTooLongAgo, "Proposal created too long ago, created_at must be greater than %s", plainNumber(median))
		}
	}
	if err := tables.RecentProposals.Put(tx, key, proposalID); err != nil {
		return err
	}
	// With this one, no more than the window may remain.
	if keep := int(min(config.Window(), maxCreatedAt)) - 1; len(keys) > keep {
		for _, old := range keys[:len(keys)-max(keep, 0)] {
			window.Delete(tx, old)
		}
	}
	return nil
}

func windowKey(createdAt uint64, digest ledger.Digest) string {
	return fmt.Sprintf("%0*d:%s", createdAtDigits, createdAt, digest.Hex())
}

// timestampOf is the first half of a key; equal width makes text order number order.
func timestampOf(key string) string {
	ts, _, _ := strings.Cut(key, ":")
	return ts
}

func plainNumber(digits string) string {
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return digits
	}
	return strconv.FormatUint(n, 10)
}
