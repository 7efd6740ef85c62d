package api

import (
	"time"

	"concordat/js-apps/runtime"
	"concordat/ledger"
)

// Names of ccf.rpc, ccf.consensus, ccf.historical and of what they return.
var (
	nameRPC             = runtime.NewName("rpc")
	nameConsensus       = runtime.NewName("consensus")
	nameHistorical      = runtime.NewName("historical")
	nameHistoricalState = runtime.NewName("historicalState")
	nameView            = runtime.NewName("view")
	nameSeqno           = runtime.NewName("seqno")
	nameTransactionID   = runtime.NewName("transactionId")
	nameReceipt         = runtime.NewName("receipt")
	nameSignature       = runtime.NewName("signature")
	nameCert            = runtime.NewName("cert")
	nameNodeID          = runtime.NewName("node_id")
	nameIsSignature     = runtime.NewName("is_signature_transaction")
	nameRootHex         = runtime.NewName("root_hex")
	nameLeafComponents  = runtime.NewName("leaf_components")
	nameWriteSetDigest  = runtime.NewName("write_set_digest")
	nameCommitEvidence  = runtime.NewName("commit_evidence")
	nameClaimsDigest    = runtime.NewName("claims_digest")
	nameProof           = runtime.NewName("proof")
	nameLeft            = runtime.NewName("left")
	nameRight           = runtime.NewName("right")
)

var rpcFunctions = []function{
	fn("setApplyWrites", 1, rpcCount(impurely(setApplyWrites))),
	fn("setClaimsDigest", 1, rpcCount(impurely(setClaimsDigest))),
}

// rpcCount has no comma in its message, unlike every other object.
func rpcCount(f runtime.HostFunc) runtime.HostFunc {
	return func(i *runtime.Isolate, this runtime.Value, args []runtime.Value) runtime.Value {
		if len(args) != 1 {
			return i.Throw(runtime.TypeError, "Passed "+itoa(len(args))+" arguments but expected 1")
		}
		return f(i, this, args)
	}
}

func setApplyWrites(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	keep := i.ToBool(args[0])
	of(i).call.applyWrites = &keep
	return runtime.Undefined
}

func setClaimsDigest(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	b, ok := i.Buffer(args[0])
	switch {
	case !ok:
		return i.Throw(runtime.TypeError, wantBuffer)
	case len(b) != len(ledger.Digest{}):
		return i.Throw(runtime.TypeError, wantBuffer+" of the right size: "+itoa(len(ledger.Digest{})))
	}
	d := ledger.Digest(b)
	of(i).call.claims = &d
	return runtime.Undefined
}

var consensusFunctions = []function{
	fn("getLastCommittedTxId", 0, exactly(0, onConsensus("", lastCommitted))),
	fn("getStatusForTxId", 2, exactly(2, onConsensus("Invalid view or seqno: cannot be negative", statusForTxID))),
	fn("getViewForSeqno", 1, exactly(1, onConsensus("Invalid seqno: cannot be negative", viewForSeqno))),
}

var historicalFunctions = []function{
	fn("getStateRange", 4, exactly(4, onHistorical("Invalid handle or seqno or expiry: cannot be negative", getStateRange))),
	fn("dropCachedStates", 1, exactly(1, onHistorical("Invalid handle: cannot be negative", dropCachedStates))),
}

func onConsensus(negative string, f func(*runtime.Isolate, ConsensusView, []uint64) runtime.Value) runtime.HostFunc {
	return onView(negative, "No consensus available", func(h *Host) ConsensusView { return h.Consensus }, f)
}

func onHistorical(negative string, f func(*runtime.Isolate, HistoricalView, []uint64) runtime.Value) runtime.HostFunc {
	return onView(negative, "No historical queries available", func(h *Host) HistoricalView { return h.Historical }, f)
}

// onView serves functions of integers on a part of the host that may be missing.
func onView[V any](negative, missing string, part func(*Host) V, f func(*runtime.Isolate, V, []uint64) runtime.Value) runtime.HostFunc {
	return impurely(func(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
		n, ok := integers(i, args, negative)
		if !ok {
			return runtime.Exception
		}
		v := part(of(i).call.host)
		if any(v) == nil {
			return i.Throw(runtime.InternalError, missing)
		}
		return f(i, v, n)
	})
}

func lastCommitted(i *runtime.Isolate, c ConsensusView, _ []uint64) runtime.Value {
	id := c.LastCommitted()
	obj := i.NewObject()
	i.Set(obj, nameView, runtime.Int64(int64(id.View)))
	i.Set(obj, nameSeqno, runtime.Int64(int64(id.Seqno)))
	return obj
}

// integers converts all arguments before it looks at their signs.
func integers(i *runtime.Isolate, args []runtime.Value, negative string) ([]uint64, bool) {
	out := make([]uint64, len(args))
	bad := false
	for k, a := range args {
		n, ok := i.ToInt64(a)
		if !ok {
			return nil, false
		}
		bad = bad || n < 0
		out[k] = uint64(n)
	}
	if bad {
		i.Throw(runtime.RangeError, negative)
		return nil, false
	}
	return out, true
}

func statusForTxID(i *runtime.Isolate, c ConsensusView, n []uint64) runtime.Value {
	status, err := c.Status(ledger.TxID{View: n[0], Seqno: n[1]})
	if err != nil {
		return i.Throw(runtime.InternalError, "Failed to get status for txid: "+err.Error())
	}
	return i.String(status)
}

func viewForSeqno(_ *runtime.Isolate, c ConsensusView, n []uint64) runtime.Value {
	view, ok := c.ViewAt(n[0])
	if !ok {
		return runtime.Null
	}
	return runtime.Int64(int64(view))
}

// maxExpirySeconds keeps an expiry inside time.Duration.
const maxExpirySeconds = uint64(1<<63-1) / uint64(time.Second)

func getStateRange(i *runtime.Isolate, h HistoricalView, n []uint64) runtime.Value {
	it := of(i)
	states, err := h.StateRange(it.call.ctx, RangeRequest{
		Handle: n[0], First: n[1], Last: n[2],
		Expiry: time.Duration(min(n[3], maxExpirySeconds)) * time.Second,
	})
	if err != nil {
		return i.Throw(runtime.InternalError, "Failed to get state range: "+err.Error())
	}
	if states == nil {
		return runtime.Null
	}
	array := i.NewArray()
	for k, s := range states {
		if !i.Append(array, k, it.stateObject(s)) {
			i.Free(array)
			return runtime.Exception
		}
	}
	return array
}

func dropCachedStates(_ *runtime.Isolate, h HistoricalView, n []uint64) runtime.Value {
	return runtime.Bool(h.Drop(n[0]))
}

// stateObject is {transactionId, receipt, kv}. The tables are good for the
// present call only, as the State is.
func (it *interp) stateObject(s *State) runtime.Value {
	i, c := it.iso, it.call
	tables := i.NewExotic(func(name string) runtime.Value {
		return it.tableNamed(name, func(name string) (*handle, rights) {
			return &handle{name: name, state: s, call: c}, it.call.host.historicalRights(name)
		})
	})
	obj := i.NewObject()
	ok := i.Set(obj, nameTransactionID, i.String(s.ID.String())) &&
		i.Set(obj, nameReceipt, receiptObject(i, s.Receipt)) &&
		i.Set(obj, nameKV, tables)
	if !ok {
		i.Free(obj)
		return runtime.Exception
	}
	return obj
}

func receiptObject(i *runtime.Isolate, r *Receipt) runtime.Value {
	if r == nil {
		return runtime.Null
	}
	obj := i.NewObject()
	i.Set(obj, nameSignature, i.String(r.SignatureB64))
	i.Set(obj, nameCert, i.String(r.CertPEM))
	i.Set(obj, nameNodeID, i.String(r.NodeID))
	i.Set(obj, nameIsSignature, runtime.Bool(r.IsSignature))
	if r.IsSignature {
		i.Set(obj, nameRootHex, i.String(r.Root.Hex()))
		return obj
	}
	leaf := i.NewObject()
	i.Set(leaf, nameWriteSetDigest, i.String(r.WriteSetDigest.Hex()))
	i.Set(leaf, nameCommitEvidence, i.String(r.CommitEvidence))
	i.Set(leaf, nameClaimsDigest, i.String(r.ClaimsDigest.Hex()))
	i.Set(obj, nameLeafComponents, leaf)
	proof := i.NewArray()
	for k, step := range r.Proof {
		side := nameRight
		if step.Left {
			side = nameLeft
		}
		s := i.NewObject()
		i.Set(s, side, i.String(step.Hash.Hex()))
		i.Append(proof, k, s)
	}
	i.Set(obj, nameProof, proof)
	return obj
}
