package store

import (
	"bytes"
	"encoding/binary"
	"errors"

	"concordat/ledger"
	"concordat/ledger/kv"
)

// Keys of the base, chosen so that byte order is order by map name, then by key:
//
//	'm' name                      the row of a map: u64 version | u64 count
//	'r' escaped(name) 00 01 key   an entry: u64 version | value
//
// In an escaped name, 00 stands as 00 FF. Integers are little-endian.
const (
	tagMap   = 'm'
	tagEntry = 'r'

	escape     = 0x00
	escapedNul = 0xff
	endOfName  = 0x01
	pastName   = 0x02 // sorts right after all keys of the map
)

var (
	errKey   = errors.New("not a key of the state store")
	errValue = errors.New("not a value of the state store")
)

func appendName(dst []byte, name string, end byte) []byte {
	dst = append(dst, tagEntry)
	for i := range len(name) {
		if dst = append(dst, name[i]); name[i] == escape {
			dst = append(dst, escapedNul)
		}
	}
	return append(dst, escape, end)
}

// appendEntryKey appends the base's key for an entry.
func appendEntryKey(dst []byte, name string, key []byte) []byte {
	return append(appendName(dst, name, endOfName), key...)
}

// parseEntryKey is the inverse. The key is a part of b.
func parseEntryKey(b []byte) (name string, key []byte, err error) {
	if len(b) == 0 || b[0] != tagEntry {
		return "", nil, errKey
	}
	var n []byte
	for b = b[1:]; ; {
		i := bytes.IndexByte(b, escape)
		if i < 0 || i+1 == len(b) {
			return "", nil, errKey
		}
		n = append(n, b[:i]...)
		mark := b[i+1]
		b = b[i+2:]
		switch mark {
		case endOfName:
			return string(n), b, nil
		case escapedNul:
			n = append(n, escape)
		default:
			return "", nil, errKey
		}
	}
}

func appendMapKey(dst []byte, name string) []byte {
	return append(append(dst, tagMap), name...)
}

// splitValue takes an entry's value apart.
func splitValue(b []byte) (version ledger.Seqno, value []byte, err error) {
	if len(b) < 8 {
		return 0, nil, errValue
	}
	return binary.LittleEndian.Uint64(b), b[8:], nil
}

func appendMapRow(dst []byte, row kv.MapRow) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, row.Version)
	return binary.LittleEndian.AppendUint64(dst, row.Count)
}

func parseMapRow(b []byte) (kv.MapRow, error) {
	if len(b) != 16 {
		return kv.MapRow{}, errValue
	}
	return kv.MapRow{Version: binary.LittleEndian.Uint64(b), Count: binary.LittleEndian.Uint64(b[8:])}, nil
}
