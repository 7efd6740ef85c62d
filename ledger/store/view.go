package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"concordat/ledger"
	"concordat/ledger/kv"
)

// View implements kv.Base.
func (b *Base) View() (kv.View, error) {
	if err := b.failed(); err != nil {
		return nil, err
	}
	return &view{b: b, snap: b.db.NewSnapshot()}, nil
}

// view is a Pebble snapshot.
type view struct {
	b    *Base
	snap *pebble.Snapshot
}

func (v *view) Get(dst []byte, mapName string, key []byte) ([]byte, ledger.Seqno, bool, error) {
	return v.b.get(v.snap, dst, mapName, key)
}

func (v *view) Map(name string) (kv.MapRow, bool, error) {
	found, closer, err := v.snap.Get(appendMapKey(nil, name))
	if errors.Is(err, pebble.ErrNotFound) {
		return kv.MapRow{}, false, nil
	}
	if err != nil {
		return kv.MapRow{}, false, fmt.Errorf("read map %q: %w", name, err)
	}
	row, err := parseMapRow(found)
	return row, err == nil, errors.Join(err, closer.Close())
}

func (v *view) Maps(f func(name string, row kv.MapRow) bool) error {
	return v.iterate([]byte{tagMap}, []byte{tagMap + 1}, func(key, value []byte) (bool, error) {
		row, err := parseMapRow(value)
		return err == nil && f(string(key[1:]), row), err
	})
}

func (v *view) Scan(mapName string, f func(kv.Row) bool) error {
	from := appendName(nil, mapName, endOfName)
	return v.iterate(from, appendName(nil, mapName, pastName), func(key, value []byte) (bool, error) {
		version, value, err := splitValue(value)
		return err == nil && f(kv.Row{Key: key[len(from):], Value: value, Version: version}), err
	})
}

func (v *view) iterate(from, to []byte, f func(key, value []byte) (bool, error)) (err error) {
	it, err := v.snap.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return fmt.Errorf("scan the state: %w", err)
	}
	defer func() {
		if err = errors.Join(err, it.Close()); err != nil {
			err = fmt.Errorf("scan the state: %w", err)
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if more, err := f(it.Key(), value); err != nil || !more {
			return err
		}
	}
	return nil
}

func (v *view) Close() error { return v.snap.Close() }
