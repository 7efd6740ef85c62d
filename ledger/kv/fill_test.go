package kv

import (
	"testing"

	"concordat/ledger"
)

func one(name, key, value string) ledger.WriteSet {
	return ledger.WriteSet{{Name: name, Writes: []ledger.Write{{Key: []byte(key), Value: []byte(value)}}}}
}

func TestFilledTransactionKeepsItsPlace(t *testing.T) {
	s := New(NewMemBase(), Options{})
	var hooked []ledger.TxID
	s.OnCommit("signatures", func(id ledger.TxID, w ledger.MapWrites) { hooked = append(hooked, id) })
	s.Apply(ledger.TxID{View: 2, Seqno: 1}, one("m", "k", "1"))
	s.Apply(ledger.TxID{View: 2, Seqno: 2}, nil)
	s.Apply(ledger.TxID{View: 2, Seqno: 3}, one("m", "k", "3"))
	before := s.Begin()
	s.Fill(ledger.TxID{View: 2, Seqno: 2}, one("signatures", "z", "signed"))
	if v, ok := before.Map("signatures").Version([]byte("z")); !ok || v != 2 {
		t.Errorf("the signature has version %d, %v", v, ok)
	}
	before.Release()
	s.Commit(3)
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	tx := s.Begin()
	defer tx.Release()
	if b, ok := tx.Map("signatures").Get([]byte("z")); !ok || string(b) != "signed" {
		t.Errorf("read %q, %v from the base", b, ok)
	}
	if len(hooked) != 1 || hooked[0].Seqno != 2 {
		t.Errorf("commit hooks saw %v", hooked)
	}
}

func TestFilledTransactionRollsBack(t *testing.T) {
	s := New(NewMemBase(), Options{})
	s.Apply(ledger.TxID{View: 2, Seqno: 1}, one("signatures", "z", "first"))
	s.Apply(ledger.TxID{View: 2, Seqno: 2}, nil)
	s.Fill(ledger.TxID{View: 2, Seqno: 2}, one("signatures", "z", "second"))
	s.Rollback(1)
	tx := s.Begin()
	defer tx.Release()
	if b, _ := tx.Map("signatures").Get([]byte("z")); string(b) != "first" {
		t.Errorf("after rollback the signature reads %q", b)
	}
}
