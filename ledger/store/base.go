package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger"
	"concordat/ledger/kv"
)

// Options says where the spill files go and how much memory may be used. The
// zero value keeps everything in memory.
type Options struct {
	// Dir takes the spill files; "" keeps them in memory too. It is created if
	// need be and emptied of earlier spill files. A directory that holds anything
	// else is refused, for it is probably not what was meant.
	Dir string
	// CacheBytes bounds Pebble's cache of plaintext blocks.
	CacheBytes int64
	// MemTableBytes is the size of one memtable.
	MemTableBytes uint64
	// Rand is the source of the file keys; nil is the system's.
	Rand io.Reader
}

// Base is a kv.Base in Pebble.
type Base struct {
	db      *pebble.DB
	spill   *spillFS // nil in memory
	keys    sync.Pool
	failure atomic.Pointer[error]
	release func() error // of the directory
	closing sync.Once
}

var _ kv.Base = (*Base)(nil)

// rootDir is where Pebble believes it is.
const rootDir = "state"

// Open returns an empty base.
func Open(o Options) (*Base, error) {
	b := &Base{release: func() error { return nil }}
	b.keys.New = func() any { return new([]byte) }
	var fs vfs.FS = vfs.NewMem()
	if o.Dir != "" {
		host, err := openDir(o.Dir)
		if err != nil {
			return nil, fmt.Errorf("open the spill directory: %w", err)
		}
		b.release = host.close
		if o.Rand == nil {
			o.Rand = rand.Reader
		}
		b.spill = newSpillFS(host, o.Rand, b.fail)
		fs = b.spill
	}
	if err := b.start(o, fs); err != nil {
		return nil, errors.Join(fmt.Errorf("open the state store: %w", err), b.release())
	}
	return b, nil
}

func (b *Base) start(o Options, fs vfs.FS) (err error) {
	b.db, err = pebble.Open(rootDir, b.options(o, fs))
	return err
}

func (b *Base) options(o Options, fs vfs.FS) *pebble.Options {
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = DefaultMemTableBytes
	}
	p := &pebble.Options{
		FS:                          fs,
		CacheSize:                   o.CacheBytes,
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                o.MemTableBytes,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                maxOpenFiles,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       1000, // slow writes show as a growing overlay, which its owner bounds
		Logger:                      quiet{b},
		EventListener: &pebble.EventListener{
			BackgroundError: b.fail,
			DataCorruption:  func(i pebble.DataCorruptionInfo) { b.fail(i.Details) },
		},
	}
	// Compression would tell the disk's owner about the content, and costs more
	// than the bytes it saves.
	p.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	for i := range p.Levels {
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBits)
	}
	p.Experimental.FileCacheShards = 4
	return p
}

// quiet keeps Pebble from writing logs, and from ending the process by itself.
type quiet struct{ b *Base }

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

// Fatalf is called for broken invariants of Pebble and does not return.
func (q quiet) Fatalf(format string, args ...any) {
	err := fmt.Errorf("pebble: "+format, args...)
	q.b.fail(err)
	panic(err)
}

// fail makes every later use of the base an error.
func (b *Base) fail(err error) { b.failure.CompareAndSwap(nil, &err) }

func (b *Base) failed() error {
	if err := b.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// getter is what the database and its snapshots share.
type getter interface {
	Get(key []byte) (value []byte, closer io.Closer, err error)
}

// Get implements kv.Base.
func (b *Base) Get(dst []byte, mapName string, key []byte) ([]byte, ledger.Seqno, bool, error) {
	return b.get(b.db, dst, mapName, key)
}

func (b *Base) get(from getter, dst []byte, mapName string, key []byte) ([]byte, ledger.Seqno, bool, error) {
	if err := b.failed(); err != nil {
		return dst, 0, false, err
	}
	buf := b.keys.Get().(*[]byte)
	defer b.keys.Put(buf)
	*buf = appendEntryKey((*buf)[:0], mapName, key)
	found, closer, err := from.Get(*buf)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, 0, false, nil
	}
	if err != nil {
		return dst, 0, false, fmt.Errorf("read map %q: %w", mapName, err)
	}
	version, value, err := splitValue(found)
	dst = append(dst, value...)
	return dst, version, err == nil, errors.Join(err, closer.Close())
}

// Write implements kv.Base.
func (b *Base) Write(batch kv.Batch) error {
	if err := b.failed(); err != nil {
		return err
	}
	w := b.db.NewBatch()
	defer w.Close() //nolint:errcheck // its memory only
	var key, value []byte
	var err error
	for i := 0; i < len(batch) && err == nil; i++ {
		key, value, err = encodeMap(w, &batch[i], key, value)
	}
	if err == nil {
		err = w.Commit(pebble.NoSync)
	}
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return b.failed()
}

// encodeMap uses, and returns, the caller's scratch memory.
func encodeMap(w *pebble.Batch, m *kv.MapBatch, key, value []byte) (_, _ []byte, err error) {
	key, value = appendMapKey(key[:0], m.Name), appendMapRow(value[:0], m.Row)
	if err = w.Set(key, value, nil); err != nil {
		return nil, nil, err
	}
	key = appendName(key[:0], m.Name, endOfName)
	prefix := len(key)
	for i := range m.Puts {
		p := &m.Puts[i]
		key = append(key[:prefix], p.Key...)
		value = append(binary.LittleEndian.AppendUint64(value[:0], p.Version), p.Value...)
		if err = w.Set(key, value, nil); err != nil {
			return nil, nil, err
		}
	}
	for _, k := range m.Deletes {
		key = append(key[:prefix], k...)
		if err = w.Delete(key, nil); err != nil {
			return nil, nil, err
		}
	}
	return key, value, nil
}

// Compact merges all tables into one level. Reads are served meanwhile. It is of
// use after a large Load, whose tables would otherwise all be asked for a while.
func (b *Base) Compact(ctx context.Context) error {
	if err := b.failed(); err != nil {
		return err
	}
	if err := b.db.Compact(ctx, []byte{0}, []byte{0xff}, true); err != nil {
		return fmt.Errorf("compact the state: %w", err)
	}
	return b.failed()
}

// ErrClosed is the error of every use after Close.
var ErrClosed = errors.New("the state store is closed")

// Close implements kv.Base. Views must have been closed; a second call does nothing.
func (b *Base) Close() (err error) {
	b.closing.Do(func() {
		b.fail(ErrClosed)
		err = errors.Join(b.db.Close(), b.release())
	})
	return err
}

// Stats are figures for dashboards.
type Stats struct {
	SpillFiles  int
	SpillBytes  int64 // on disk, blocks and their tags
	CacheHits   int64
	CacheMisses int64
	MemTables   uint64 // bytes
}

// Stats are the current figures.
func (b *Base) Stats() Stats {
	m := b.db.Metrics()
	st := Stats{CacheHits: m.BlockCache.Hits, CacheMisses: m.BlockCache.Misses, MemTables: m.MemTable.Size}
	if b.spill != nil {
		st.SpillFiles, st.SpillBytes = b.spill.usage()
	}
	return st
}
