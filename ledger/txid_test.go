package ledger_test

import (
	"testing"

	"concordat/ledger"
)

func TestParseTxID(t *testing.T) {
	for text, want := range map[string]ledger.TxID{
		"2.15": {View: 2, Seqno: 15},
		"02.1": {View: 2, Seqno: 1},
		"18446744073709551615.18446744073709551615": {View: 1<<64 - 1, Seqno: 1<<64 - 1},
	} {
		if got, err := ledger.ParseTxID(text); err != nil || got != want {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", ".", "2", "2.", ".2", "0.1", "1.0", "-1.1", "+1.1", " 1.1", "1.1 ", "1.1.1", "0x1.1", "1_0.1", "18446744073709551616.1"} {
		if got, err := ledger.ParseTxID(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
	if id := (ledger.TxID{View: 2, Seqno: 15}); id.String() != "2.15" || id.IsZero() || !(ledger.TxID{}).IsZero() {
		t.Error("text or zero of a transaction id")
	}
}

func TestDigestText(t *testing.T) {
	d := ledger.Digest{0xab}
	if d.Hex()[:4] != "ab00" || len(d.Hex()) != 64 || d.IsZero() || !(ledger.Digest{}).IsZero() {
		t.Errorf("%s", d.Hex())
	}
}
