package sim

import (
	"concordat/ledger"
)

// model is what the clients know: what they wrote where, and what was answered.
type model struct {
	keys   map[string][]keyVersion
	ids    map[ledger.TxID]ledger.WriteSet // every id ever given
	order  []ledger.TxID                   // the same, in order
	final  map[ledger.TxID]string          // Committed or Invalid, once answered
	forced map[ledger.TxID]bool            // asked for the end of a chunk
	roots  map[ledger.TxID]ledger.Digest   // told for the ledger up to there
	epoch  int                             // number of rollbacks
}

type keyVersion struct {
	seqno ledger.Seqno
	value string
	gone  bool
}

func (m *model) init() {
	m.keys = map[string][]keyVersion{}
	m.ids = map[ledger.TxID]ledger.WriteSet{}
	m.final = map[ledger.TxID]string{}
	m.forced = map[ledger.TxID]bool{}
	m.roots = map[ledger.TxID]ledger.Digest{}
}

// apply notes what a transaction writes.
func (m *model) apply(s ledger.Seqno, ws ledger.WriteSet) {
	for _, w := range ws {
		for _, x := range w.Writes {
			k := w.Name + "\x00" + string(x.Key)
			m.keys[k] = append(m.keys[k], keyVersion{seqno: s, value: string(x.Value)})
		}
		for _, key := range w.Removes {
			k := w.Name + "\x00" + string(key)
			m.keys[k] = append(m.keys[k], keyVersion{seqno: s, gone: true})
		}
	}
}

// cut forgets everything after a seqno.
func (m *model) cut(to ledger.Seqno) {
	m.epoch++
	for k, versions := range m.keys {
		n := len(versions)
		for n > 0 && versions[n-1].seqno > to {
			n--
		}
		m.keys[k] = versions[:n]
	}
}

// read is the value of a key at a snapshot.
func (m *model) read(mapName, key string, snapshot ledger.Seqno) (value string, ok bool) {
	versions := m.keys[mapName+"\x00"+key]
	for i := len(versions) - 1; i >= 0; i-- {
		if v := versions[i]; v.seqno <= snapshot {
			return v.value, !v.gone
		}
	}
	return "", false
}

// writtenAfter reports whether a key was written after a snapshot.
func (m *model) writtenAfter(mapName, key string, snapshot ledger.Seqno) bool {
	versions := m.keys[mapName+"\x00"+key]
	return len(versions) > 0 && versions[len(versions)-1].seqno > snapshot
}

// recover forgets what a recovery that ends at last has lost. A view that only
// lost entries had may come again, as in CCF.
func (m *model) recover(last ledger.TxID) {
	m.keys = map[string][]keyVersion{}
	kept := m.order[:0]
	for _, id := range m.order {
		if id.Seqno <= last.Seqno {
			kept = append(kept, id)
			continue
		}
		delete(m.ids, id)
		delete(m.final, id)
		delete(m.forced, id)
	}
	m.order = kept
	m.roots = map[ledger.TxID]ledger.Digest{}
}
