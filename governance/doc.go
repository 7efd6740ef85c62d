// Package governance is how members rule a service: they make proposals, vote on
// them, and what the constitution accepts is carried out in the same transaction
// as the deciding vote. It also writes the first entry of a service, activates
// members, opens the service and issues recovery shares.
//
// Everything works on one transaction that the caller submits, and only if the
// answer is a success: a failure leaves nothing behind. Time and randomness come
// from the caller (Node). The rules of the constitution itself are JavaScript,
// run by a Scripts; package constitution has the default ones.
//
// See DESIGN.md.
package governance

import (
	"context"
	"log/slog"

	"concordat/js-apps/api"
)

// Scripts runs one exported function of a module in an interpreter of its own;
// *api.Scripts does.
type Scripts interface {
	Run(ctx context.Context, s api.Script, args []any, h *api.Host, l api.Limits) (api.Value, error)
}

// Engine carries out members' requests. It holds no state of its own and is
// safe for concurrent use if its parts are.
type Engine struct {
	Scripts Scripts
	Node    *Node
	// SNP verifies SEV-SNP evidence for scripts; nil where that is not offered.
	SNP api.SNPVerifier
	// Log receives what scripts print; nil discards it.
	Log func(level slog.Level, tag, msg string)
}

// Flags are the wishes of an action about the ledger files, fulfilled after the
// transaction was sequenced.
type Flags interface {
	ForceChunk()
	ForceSnapshot()
}
