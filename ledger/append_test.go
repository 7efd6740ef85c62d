package ledger_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"concordat/ledger"
	"concordat/ledger/secret"
)

// The worked example of the format: transaction 2.17 of a ledger CCF wrote, 195
// bytes, with the secret it was sealed under.
const (
	exampleSecret = "d917951c0773a06148d2ff5bf0c984d075fdceb601255157ac004bb53b351079"
	exampleEntry  = "0100bb000000000067b30d330439b435fcd37fd402addd9011000000000000000200000051000000000000000411000000000000000000000000000000000000000000000000000000000000000000000000000000266ee6ffc4bd003458c67798796e06e07ee60c105c3fddeabdf831dca3572b780000000000000000d0575ea51389082b5384f1a6d6687dd5c47fd010e7f45e60cde4ec13609ff144981837ad3823855b1e8fd3e453b907752957c335e40c659d7b3270fe87db64f87cdb12b232c1"
	exampleWSD    = "c5496af8ff336bca85edc3ee95843622b16b0d08296d7f43674e65cfb6d07980"
	exampleLeaf   = "520d2e9a61bac7ea344c60b5c31563cd2f6ce3474e8680d44029e8cad13a9aaa"
	exampleProof  = "ce:2.17:c6b549e9831683c505c6b39792b47f6f3a8897384090dbab705c349182ece503"
)

var exampleID = ledger.TxID{View: 2, Seqno: 17}

func exampleWrites() ledger.WriteSet {
	return ledger.WriteSet{{Name: "records", Writes: []ledger.Write{{Key: []byte("42"), Value: []byte("hello")}}}}
}

func newSecret(t testing.TB, hexKey string) *secret.Secret {
	t.Helper()
	b, err := hex.DecodeString(hexKey)
	if err != nil {
		t.Fatal(err)
	}
	s, err := secret.FromBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAppendEntryWritesTheExample(t *testing.T) {
	s := newSecret(t, exampleSecret)
	prefix := []byte("already there")
	out, wsd, leaf, err := ledger.AppendEntry(prefix, exampleID, 0, ledger.Digest{}, exampleWrites(), s)
	if err != nil {
		t.Fatal(err)
	}
	entry, ok := bytes.CutPrefix(out, prefix)
	if !ok {
		t.Fatal("what was in the buffer is gone")
	}
	if got := hex.EncodeToString(entry); got != exampleEntry {
		t.Errorf("entry\n got %s\nwant %s", got, exampleEntry)
	}
	if n := ledger.EntrySize(exampleWrites()); n != len(entry) {
		t.Errorf("EntrySize says %d, entry has %d", n, len(entry))
	}
	if wsd.Hex() != exampleWSD || leaf.Hex() != exampleLeaf {
		t.Errorf("digests %s %s", wsd.Hex(), leaf.Hex())
	}
	if got := ledger.CommitEvidence(exampleID, s.CommitNonce(exampleID)); got != exampleProof {
		t.Errorf("evidence %s", got)
	}
}

func TestParseEntryReadsTheExample(t *testing.T) {
	raw, _ := hex.DecodeString(exampleEntry)
	e, err := ledger.ParseEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	if e.ID() != exampleID || e.IsSnapshot || len(e.Public.Writes) != 0 {
		t.Errorf("parsed %+v", e)
	}
	if e.WriteSetDigest().Hex() != exampleWSD || e.Leaf().Hex() != exampleLeaf {
		t.Errorf("digests %s %s", e.WriteSetDigest().Hex(), e.Leaf().Hex())
	}
	if e.Public.CommitEvidenceDigest != ledger.CommitEvidenceDigest(exampleProof) {
		t.Error("digest of the commit evidence differs")
	}
	private, err := newSecret(t, exampleSecret).Open(e)
	if err != nil {
		t.Fatal(err)
	}
	if len(private) != 1 || private[0].Name != "records" || string(private[0].Writes[0].Value) != "hello" {
		t.Errorf("private part %q", private)
	}
}

func TestAppendEntryRefuses(t *testing.T) {
	s := newSecret(t, exampleSecret)
	for _, c := range []struct {
		name string
		id   ledger.TxID
		ws   ledger.WriteSet
		want error
	}{
		{"view of 32 bits", ledger.TxID{View: ledger.MaxView + 1, Seqno: 1}, exampleWrites(), ledger.ErrViewTooLarge},
		{"no view", ledger.TxID{Seqno: 1}, exampleWrites(), ledger.ErrNoTxID},
		{"no seqno", ledger.TxID{View: 2}, exampleWrites(), ledger.ErrNoTxID},
		{"no change", exampleID, nil, ledger.ErrEmptyWriteSet},
	} {
		if _, _, _, err := ledger.AppendEntry(nil, c.id, 0, ledger.Digest{}, c.ws, s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	largest := ledger.TxID{View: ledger.MaxView, Seqno: 1}
	out, _, _, err := ledger.AppendEntry(nil, largest, 0, ledger.Digest{}, exampleWrites(), s)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := ledger.ParseEntry(out); err != nil || e.View != ledger.MaxView {
		t.Errorf("largest view read back: %v %v", e, err)
	}
}

func BenchmarkAppendEntry(b *testing.B) {
	s := newSecret(b, exampleSecret)
	ws := ledger.WriteSet{{Name: "records", Writes: []ledger.Write{{Key: []byte("some key"), Value: make([]byte, 256)}}}}
	buf := make([]byte, 0, ledger.EntrySize(ws)+ledger.EntrySpare)
	b.ReportAllocs()
	b.SetBytes(int64(ledger.EntrySize(ws)))
	id := exampleID
	for b.Loop() {
		id.Seqno++
		if _, _, _, err := ledger.AppendEntry(buf, id, 0, ledger.Digest{}, ws, s); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAppendEntryAllocatesNothing(t *testing.T) {
	s := newSecret(t, exampleSecret)
	ws := exampleWrites()
	buf := make([]byte, 0, ledger.EntrySize(ws)+ledger.EntrySpare)
	n := testing.AllocsPerRun(100, func() {
		if _, _, _, err := ledger.AppendEntry(buf, exampleID, 0, ledger.Digest{}, ws, s); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations with enough capacity", n)
	}
}
