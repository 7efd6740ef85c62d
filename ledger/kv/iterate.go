package kv

import (
	"bytes"
	"slices"

	"concordat/ledger"
)

// MapInfo is a map as a snapshot of the whole state lists it.
type MapInfo struct {
	Name string
	// Version is the last seqno that wrote the map or removed a key that existed.
	Version ledger.Seqno
}

// overlaid is the newest version of one key at a snapshot. It is nil when the
// overlay has none, which only the collecting code sees.
type overlaid struct {
	key []byte
	v   *version
}

// collect is what the overlay has of a map at the snapshot, in byte order. It
// must be called before the base is opened: a key that leaves the overlay in
// between is then in the base already.
func (c *core) collect(name string) []overlaid {
	m := c.s.mapState(name)
	if m == nil {
		return nil
	}
	var list []overlaid
	for e := m.first.Load(); e != nil; e = e.next.Load() {
		if v := e.at(c.id.Seqno, c.epoch); v != nil {
			list = append(list, overlaid{e.key, v})
		}
	}
	slices.SortFunc(list, func(a, b overlaid) int { return bytes.Compare(a.key, b.key) })
	// A reader that passed an entry while it left the table, and met its successor
	// for the same key, sees the key once only: the successor is too new for it.
	return list
}

// scan visits a map's entries at the snapshot, own writes apart, in byte order.
// Keys and values are only good during the call.
func (c *core) scan(name string, f func(Row) bool) {
	list := c.collect(name)
	done := false
	emit := func(o overlaid) {
		if !done && !o.v.remove {
			done = !f(Row{o.key, o.v.value, o.v.seqno})
		}
	}
	if c.s.mapState(name) != nil {
		c.scanBase(name, func(r Row) bool {
			for !done && len(list) > 0 && bytes.Compare(list[0].key, r.Key) < 0 {
				emit(list[0])
				list = list[1:]
			}
			if len(list) > 0 && bytes.Equal(list[0].key, r.Key) {
				return !done // the overlay is newer; the next row, or the rest, emits it
			}
			done = done || !f(r)
			return !done
		})
	}
	for !done && c.err == nil && len(list) > 0 {
		emit(list[0])
		list = list[1:]
	}
}

func (c *core) scanBase(name string, f func(Row) bool) {
	view, err := c.s.base.View()
	if err == nil {
		defer view.Close() //nolint:errcheck // a view holds nothing that could be lost
		err = view.Scan(name, f)
	}
	if err != nil {
		c.err = c.s.fail(err)
	}
}

// ForEach visits the map as it is when ForEach is called, until f returns false:
// first the entries this transaction did not write, in byte order, then its own
// writes, in byte order. That is CCF's order but for the hash order of the first
// part. Depends on the whole map.
func (m *Map) ForEach(f func(key, value []byte) bool) {
	c, mt := m.state()
	mt.whole = true
	own := mt.sorted()
	rest, stopped := own, false
	c.scan(mt.name, func(r Row) bool {
		for len(rest) > 0 && bytes.Compare(rest[0].key, r.Key) < 0 {
			rest = rest[1:]
		}
		if len(rest) > 0 && bytes.Equal(rest[0].key, r.Key) {
			return true
		}
		k, v := keep(r)
		stopped = !f(k, v)
		return !stopped
	})
	for i := 0; i < len(own) && !stopped && c.err == nil; i++ {
		if !own[i].remove {
			stopped = !f(own[i].key, own[i].value)
		}
	}
}

// keep copies a row out of the memory of a scan, in one allocation.
func keep(r Row) (key, value []byte) {
	var a arena
	return a.pair(r.Key, r.Value)
}

// Clear deletes every visible key. Depends on the whole map.
func (m *Map) Clear() {
	c, mt := m.state()
	mt.whole = true
	var keys [][]byte
	c.scan(mt.name, func(r Row) bool {
		k, _ := c.arena.pair(r.Key, nil)
		keys = append(keys, k)
		return true
	})
	for i := range mt.local {
		mt.local[i].value, mt.local[i].remove = nil, true
	}
	c.ws = nil
	for _, k := range keys {
		c.set(mt, k, nil, true)
	}
}

// Size is the number of visible keys. Its cost grows with the overlay and the
// transaction's own writes, not with the map. Depends on the whole map.
func (m *Map) Size() int {
	c, mt := m.state()
	mt.whole = true
	n := c.size(mt.name)
	for i := range mt.local {
		w := &mt.local[i]
		_, _, had := c.read(mt.name, keyHash(mt.salt, w.key), w.key, nil, false)
		if had {
			n--
		}
		if !w.remove {
			n++
		}
	}
	return n
}

// size is the number of keys at the snapshot, own writes apart: the base's count,
// corrected for each key that the overlay has something newer of.
func (c *core) size(name string) int {
	if c.s.mapState(name) == nil {
		return 0
	}
	list := c.collect(name)
	view, err := c.s.base.View()
	if err != nil {
		c.err = c.s.fail(err)
		return 0
	}
	defer view.Close() //nolint:errcheck // a view holds nothing that could be lost
	row, _, err := view.Map(name)
	n := int(row.Count)
	var buf []byte
	for i := 0; i < len(list) && err == nil; i++ {
		var had bool
		buf, _, had, err = view.Get(buf[:0], name, list[i].key)
		if had {
			n--
		}
		if !list[i].v.remove {
			n++
		}
	}
	if err != nil {
		c.err = c.s.fail(err)
		return 0
	}
	return n
}

// ForEachVersion visits the map's entries with their versions in byte order,
// without own writes and without a dependency. It serves snapshots of the state;
// the row is only good during the call.
func (m *Map) ForEachVersion(f func(Row) bool) {
	c, mt := m.state()
	c.scan(mt.name, f)
}

// Maps lists all maps that any write set up to the snapshot named, in byte order
// of name, with the versions that CCF's snapshots give them. It opens no map and
// is no dependency.
func (t *Tx) Maps() []MapInfo {
	c := t.live()
	// The overlay first, then the base, as in collect.
	infos := c.overlayMaps()
	view, err := c.s.base.View()
	if err == nil {
		err = c.mergeMaps(view, infos)
		view.Close() //nolint:errcheck // a view holds nothing that could be lost
	}
	if err != nil {
		c.err = c.s.fail(err)
		return nil
	}
	list := make([]MapInfo, 0, len(infos))
	for name, o := range infos {
		list = append(list, MapInfo{name, o.version})
	}
	slices.SortFunc(list, func(a, b MapInfo) int { return compareStrings(a.Name, b.Name) })
	return list
}

// mapOverlay is what the overlay knows of a map's version at a snapshot.
type mapOverlay struct {
	version ledger.Seqno
	// unsure are removes, oldest in their chains, that count if the base has the key.
	unsure []overlaid
}

func (c *core) overlayMaps() map[string]*mapOverlay {
	c.s.registry.RLock()
	states := make([]*mapState, 0, len(c.s.registry.maps))
	for _, m := range c.s.registry.maps {
		states = append(states, m)
	}
	c.s.registry.RUnlock()
	infos := map[string]*mapOverlay{}
	for _, m := range states {
		o := &mapOverlay{}
		for e := m.first.Load(); e != nil; e = e.next.Load() {
			if e.at(c.id.Seqno, c.epoch) != nil {
				infos[m.name] = o
				o.add(e, c)
			}
		}
	}
	return infos
}

// add takes over the newest effective change of one key: the newest write, or
// remove whose predecessor is a write.
func (o *mapOverlay) add(e *entry, c *core) {
	var remove *version // newer than what the loop looks at, effect not yet known
	for v := e.newest.Load(); v != nil; v = v.older.Load() {
		if !v.visible(c.id.Seqno, c.epoch) {
			continue
		}
		if !v.remove {
			if remove != nil {
				v = remove
			}
			o.version = max(o.version, v.seqno)
			return
		}
		remove = v
	}
	if remove != nil {
		o.unsure = append(o.unsure, overlaid{e.key, remove})
	}
}

// mergeMaps adds what the base knows.
func (c *core) mergeMaps(view View, infos map[string]*mapOverlay) error {
	var buf []byte
	for name, o := range infos {
		for _, u := range o.unsure {
			_, _, had, err := view.Get(buf[:0], name, u.key)
			if err != nil {
				return err
			}
			if had {
				o.version = max(o.version, u.v.seqno)
			}
		}
	}
	return view.Maps(func(name string, row MapRow) bool {
		if o := infos[name]; o != nil {
			o.version = max(o.version, row.Version)
		} else {
			infos[name] = &mapOverlay{version: row.Version}
		}
		return true
	})
}
