package kv

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"concordat/ledger"
)

// A failing run prints its seed; -kv.seed N plays only that one again.
var (
	seedFlag  = flag.Uint64("kv.seed", 0, "play only this seed of the model test")
	seedsFlag = flag.Uint64("kv.seeds", 60, "number of seeds of the model test")
	stepsFlag = flag.Int("kv.steps", 1500, "steps of one model run")
)

// state is the whole state at a seqno, naively: map -> key -> row.
type state map[string]map[string]modelRow

type modelRow struct {
	value   string
	version ledger.Seqno
}

func (s state) clone() state {
	c := make(state, len(s))
	for name, m := range s {
		c[name] = maps.Clone(m)
	}
	return c
}

// modelEntry is one seqno of the model's history.
type modelEntry struct {
	id       ledger.TxID
	state    state
	versions map[string]ledger.Seqno // A map's version as snapshots want it
	wrote    map[string]bool         // map + key
	named    map[string]bool         // map
}

// modelTx mirrors a transaction.
type modelTx struct {
	tx    *Tx
	at    *modelEntry
	pin   ledger.Seqno // how far the base may go
	dead  bool         // its snapshot was rolled back
	reads map[string]bool
	whole map[string]bool
	own   map[string]map[string]*string // nil is a remove
}

// model runs random operations on a store and on the naive state side by side.
type model struct {
	t         *testing.T
	rng       *rand.Rand
	store     *Store
	history   []*modelEntry // by seqno, from 0
	committed ledger.Seqno
	view      ledger.View
	open      []*modelTx
	applied   []string // what the hooks saw
	commits   []string
	conflicts int
}

const (
	modelMaps = 4
	modelKeys = 12
)

func TestModel(t *testing.T) {
	if *seedFlag != 0 {
		runModel(t, *seedFlag, NewMemBase())
		return
	}
	for seed := uint64(1); seed <= *seedsFlag; seed++ {
		runModel(t, seed, NewMemBase())
		if t.Failed() {
			t.Fatalf("replay with -run %s -kv.seed %d", t.Name(), seed)
		}
	}
}

func runModel(t *testing.T, seed uint64, base Base) {
	m := &model{
		t: t, rng: rand.New(rand.NewPCG(seed, 0)), store: New(base, Options{CacheBytes: 1}), view: 2,
		history: []*modelEntry{{state: state{}, versions: map[string]ledger.Seqno{}}},
	}
	for i := range modelMaps {
		m.store.OnApply(m.mapName(i), func(id ledger.TxID, w ledger.MapWrites) {
			m.applied = append(m.applied, id.String()+w.Name)
		})
		m.store.OnCommit(m.mapName(i), func(id ledger.TxID, w ledger.MapWrites) {
			m.commits = append(m.commits, id.String()+w.Name)
		})
	}
	for step := 0; step < *stepsFlag && !t.Failed(); step++ {
		m.step()
	}
	for len(m.open) > 0 {
		m.finish(0)
	}
	m.store.Commit(m.store.Head().Seqno)
	m.committed = m.store.Head().Seqno
	m.flush()
	m.checkDrained()
	if err := m.store.Close(); err != nil {
		t.Error(err)
	}
	if m.conflicts == 0 && *stepsFlag >= 1000 {
		t.Error("no conflict was tried: the test proves little")
	}
}

func (m *model) mapName(i int) string { return fmt.Sprintf("map%d", i) }
func (m *model) anyMap() string       { return m.mapName(m.rng.IntN(modelMaps)) }
func (m *model) anyKey() string {
	return strings.Repeat("k", m.rng.IntN(3)) + fmt.Sprint(m.rng.IntN(modelKeys/3))
}

func (m *model) step() {
	switch n := m.rng.IntN(100); {
	case n < 12 && len(m.open) < 8:
		m.begin()
	case n < 75 && len(m.open) > 0:
		m.use(m.open[m.rng.IntN(len(m.open))])
	case n < 85 && len(m.open) > 0:
		m.finish(m.rng.IntN(len(m.open)))
	case n < 91:
		m.commit()
	case n < 96:
		m.flush()
	case n < 97:
		m.rollback()
	}
}

func (m *model) begin() {
	tx := m.store.Begin()
	at := m.history[len(m.history)-1]
	if tx.SnapshotID() != at.id {
		m.t.Fatalf("snapshot: got %v, want %v", tx.SnapshotID(), at.id)
	}
	m.open = append(m.open, &modelTx{
		tx: tx, at: at, pin: at.id.Seqno, reads: map[string]bool{}, whole: map[string]bool{}, own: map[string]map[string]*string{},
	})
}

// use does one operation in a transaction and compares.
func (m *model) use(x *modelTx) {
	name, key := m.anyMap(), m.anyKey()
	h := x.tx.Map(name)
	switch m.rng.IntN(12) {
	case 0, 1, 2:
		v := fmt.Sprint(m.rng.Uint32())
		h.Put([]byte(key), []byte(v))
		x.set(name, key, &v)
	case 3, 4:
		h.Delete([]byte(key))
		x.set(name, key, nil)
	case 5, 6:
		v, ok := h.Get([]byte(key))
		m.compare(x, "get "+name+" "+key, fmt.Sprint(string(v), ok), x.get(name, key))
	case 7:
		m.compare(x, "has "+name+" "+key, fmt.Sprint(h.Has([]byte(key))), fmt.Sprint(!strings.HasSuffix(x.get(name, key), "false")))
	case 8:
		v, ok := h.Version([]byte(key))
		row, has := x.at.state[name][key]
		x.reads[name+"/"+key] = true
		m.compare(x, "version "+name+" "+key, fmt.Sprint(v, ok), fmt.Sprint(row.version, has))
	case 9:
		x.whole[name] = true
		m.compare(x, "size "+name, fmt.Sprint(h.Size()), fmt.Sprint(len(x.visible(name))))
	case 10:
		m.iterate(x, name)
	case 11:
		if m.rng.IntN(4) == 0 {
			h.Clear()
			x.clear(name)
			return
		}
		m.compare(x, "maps", m.listMaps(x.tx), fmt.Sprint(x.at.versions))
	}
}

func (m *model) listMaps(tx *Tx) string {
	got := map[string]ledger.Seqno{}
	for _, i := range tx.Maps() {
		got[i.Name] = i.Version
	}
	return fmt.Sprint(got)
}

func (m *model) compare(x *modelTx, what, got, want string) {
	if got != want {
		m.t.Errorf("%s at %v (head %v, committed %d, flushed %d): got %s, want %s",
			what, x.at.id, m.store.Head(), m.committed, m.store.flushed.Load(), got, want)
	}
}

func (m *model) iterate(x *modelTx, name string) {
	x.whole[name] = true
	var got []string
	limit := -1
	if m.rng.IntN(3) == 0 {
		limit = m.rng.IntN(4)
	}
	x.tx.Map(name).ForEach(func(k, v []byte) bool {
		got = append(got, string(k)+"="+string(v))
		return len(got) != limit
	})
	want := x.entries(name)
	if limit > 0 && limit < len(want) {
		want = want[:limit]
	}
	m.compare(x, "entries of "+name, fmt.Sprint(got), fmt.Sprint(want))
}

func (x *modelTx) set(name, key string, value *string) {
	if x.own[name] == nil {
		x.own[name] = map[string]*string{}
	}
	x.own[name][key] = value
}

func (x *modelTx) get(name, key string) string {
	if v, ok := x.own[name][key]; ok {
		if v == nil {
			return "false"
		}
		return fmt.Sprint(*v, true)
	}
	x.reads[name+"/"+key] = true
	row, ok := x.at.state[name][key]
	return fmt.Sprint(row.value, ok)
}

// visible is the map with own writes.
func (x *modelTx) visible(name string) map[string]string {
	all := map[string]string{}
	for k, r := range x.at.state[name] {
		all[k] = r.value
	}
	for k, v := range x.own[name] {
		if delete(all, k); v != nil {
			all[k] = *v
		}
	}
	return all
}

// entries is the map in order of iteration.
func (x *modelTx) entries(name string) []string {
	all := x.visible(name)
	var list []string
	for _, own := range []bool{false, true} {
		for _, k := range slices.Sorted(maps.Keys(all)) {
			if _, mine := x.own[name][k]; mine == own {
				list = append(list, k+"="+all[k])
			}
		}
	}
	return list
}

func (x *modelTx) clear(name string) {
	x.whole[name] = true
	for k := range x.visible(name) {
		x.set(name, k, nil)
	}
	for k := range x.own[name] {
		x.set(name, k, nil)
	}
}

// finish sequences or drops a transaction.
func (m *model) finish(i int) {
	x := m.open[i]
	m.open = slices.Delete(m.open, i, i+1)
	defer x.tx.Release()
	if m.rng.IntN(5) == 0 {
		return
	}
	if got, want := m.store.Conflicts(x.tx), m.conflicts2(x); got != want {
		m.t.Errorf("conflict of a transaction at %v (dead %v, reads %v, maps %v): got %v, want %v", x.at.id, x.dead, x.reads, x.whole, got, want)
		return
	} else if want {
		m.conflicts++
		return
	}
	ws := x.tx.WriteSet()
	if got, want := describe(ws), x.describe(); got != want {
		m.t.Errorf("write set: got %s, want %s", got, want)
	}
	m.apply(x, ws)
}

func (m *model) conflicts2(x *modelTx) bool {
	if len(x.reads)+len(x.whole) > 0 && x.dead {
		return true
	}
	for _, e := range m.history[min(x.at.id.Seqno+1, uint64(len(m.history))):] {
		for r := range x.reads {
			if e.wrote[r] {
				return true
			}
		}
		for name := range x.whole {
			if e.named[name] {
				return true
			}
		}
	}
	return false
}

func describe(ws ledger.WriteSet) string {
	var b strings.Builder
	for _, w := range ws {
		fmt.Fprintf(&b, "[%s", w.Name)
		for _, r := range w.Writes {
			fmt.Fprintf(&b, " %s=%s", r.Key, r.Value)
		}
		for _, k := range w.Removes {
			fmt.Fprintf(&b, " -%s", k)
		}
		b.WriteString("]")
	}
	return b.String()
}

func (x *modelTx) describe() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(x.own)) {
		writes, removes := "", ""
		for _, k := range slices.Sorted(maps.Keys(x.own[name])) {
			if v := x.own[name][k]; v != nil {
				writes += " " + k + "=" + *v
			} else {
				removes += " -" + k
			}
		}
		if writes+removes != "" {
			b.WriteString("[" + name + writes + removes + "]")
		}
	}
	return b.String()
}

func (m *model) apply(x *modelTx, ws ledger.WriteSet) {
	last := m.history[len(m.history)-1]
	e := &modelEntry{
		id: ledger.TxID{View: m.view, Seqno: last.id.Seqno + 1}, state: last.state.clone(), versions: maps.Clone(last.versions),
		wrote: map[string]bool{}, named: map[string]bool{},
	}
	for name, writes := range x.own {
		if e.state[name] == nil {
			e.state[name] = map[string]modelRow{}
		}
		for k, v := range writes {
			_, had := e.state[name][k]
			e.wrote[name+"/"+k], e.named[name] = true, true
			if delete(e.state[name], k); v != nil {
				e.state[name][k] = modelRow{*v, e.id.Seqno}
			}
			if had || v != nil {
				e.versions[name] = e.id.Seqno
			}
		}
		if _, ok := e.versions[name]; !ok && len(writes) > 0 {
			e.versions[name] = 0
		}
	}
	m.history = append(m.history, e)
	before := len(m.applied)
	m.store.Apply(e.id, ws)
	if len(m.applied)-before != len(ws) {
		m.t.Errorf("%d maps written, %d hooks called", len(ws), len(m.applied)-before)
	}
}

func (m *model) commit() {
	to := m.committed + m.rng.Uint64N(uint64(len(m.history))-m.committed)
	var want []string
	for _, e := range m.history[m.committed+1 : to+1] {
		for _, name := range slices.Sorted(maps.Keys(e.named)) {
			want = append(want, e.id.String()+name)
		}
	}
	m.commits = nil
	m.committed = to
	m.store.Commit(to)
	if !slices.Equal(m.commits, want) {
		m.t.Errorf("commit hooks: got %v, want %v", m.commits, want)
	}
}

func (m *model) flush() {
	if err := m.store.Flush(); err != nil {
		m.t.Fatal(err)
	}
	m.checkBase()
}

// checkBase holds the base against the model: it is exactly a committed state no
// active snapshot lies below, and the overlay is no larger than it must be.
func (m *model) checkBase() {
	limit := m.committed
	for _, x := range m.open {
		limit = min(limit, x.pin)
	}
	if got := m.store.flushed.Load(); got != limit {
		m.t.Errorf("flushed to %d, want %d", got, limit)
		return
	}
	v, err := m.store.base.View()
	if err != nil {
		m.t.Fatal(err)
	}
	defer v.Close()
	want := m.history[limit]
	rows := map[string]ledger.Seqno{}
	_ = v.Maps(func(name string, row MapRow) bool {
		rows[name] = row.Version
		if int(row.Count) != len(want.state[name]) {
			m.t.Errorf("base at %d: map %s counts %d keys, want %d", limit, name, row.Count, len(want.state[name]))
		}
		return true
	})
	if fmt.Sprint(rows) != fmt.Sprint(want.versions) {
		m.t.Errorf("base at %d: map versions %v, want %v", limit, rows, want.versions)
	}
	for name := range want.state {
		got := map[string]modelRow{}
		_ = v.Scan(name, func(r Row) bool {
			got[string(r.Key)] = modelRow{string(r.Value), r.Version}
			return true
		})
		if !maps.Equal(got, want.state[name]) {
			m.t.Errorf("base at %d: map %s is %v, want %v", limit, name, got, want.state[name])
		}
	}
}

func (m *model) rollback() {
	to := m.committed + m.rng.Uint64N(uint64(len(m.history))-m.committed)
	for _, x := range m.open {
		x.dead = x.dead || x.at.id.Seqno > to
		x.pin = min(x.pin, to)
	}
	m.history = m.history[:to+1]
	m.view++
	m.store.Rollback(to)
	if m.store.Head() != m.history[to].id {
		m.t.Errorf("head after rollback: got %v, want %v", m.store.Head(), m.history[to].id)
	}
}

func (m *model) checkDrained() {
	if n := m.store.table.count; n != 0 {
		m.t.Errorf("%d keys stay in the overlay", n)
	}
	for name, state := range m.store.registry.maps {
		if e := state.first.Load(); e != nil {
			m.t.Errorf("%s of %s stays in the list", e.key, name)
		}
	}
	st := m.store.Stats()
	if st.OverlayBytes != 0 || st.ActiveTransactions != 0 || st.Flushed != st.Head {
		m.t.Errorf("after the last flush: %+v", st)
	}
	if len(m.store.mu.records)+len(m.store.mu.dead) != 0 {
		m.t.Errorf("%d records and %d rolled back ones stay", len(m.store.mu.records), len(m.store.mu.dead))
	}
}
