package governance_test

import (
	"errors"
	"testing"

	"concordat/governance"
	"concordat/ledger/jsondoc"
)

func TestAcceptedTimes(t *testing.T) {
	for in, want := range map[string]string{
		"261101000000Z":             "2026-11-01T00:00:00Z",
		"20261101123456Z":           "2026-11-01T12:34:56Z",
		"2026-11-01 00:00:00":       "2026-11-01T00:00:00Z",
		"2026-11-01 00:00:00.5":     "2026-11-01T00:00:00Z",
		"2026-11-01 02:00:00+02:00": "2026-11-01T00:00:00Z",
		"2026-11-01T00:00:00":       "2026-11-01T00:00:00Z",
		"2026-11-01T00:00:00Z":      "2026-11-01T00:00:00Z",
		"2026-11-01T00:00:00.123":   "2026-11-01T00:00:00Z",
	} {
		got, err := governance.ParseTime(in)
		if err != nil || got.Format("2006-01-02T15:04:05Z") != want {
			t.Errorf("%s: %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"soon", "", "2026-11-01", "99999999999999Z", "20261301000000Z"} {
		if got, err := governance.ParseTime(in); err == nil {
			t.Errorf("%q was read as %v", in, got)
		}
	}
}

// FuzzPayloads: whatever a member signs, a payload is read or refused as the
// caller's mistake, and a ballot that is read is the text that was sent.
func FuzzPayloads(f *testing.F) {
	for _, s := range []string{
		`{"ballot":"export function vote () { return true }"}`, `{}`, `[]`, `null`, `{"ballot":null}`, `{"stateDigest":"00"}`,
		`{"stateDigest":5}`, `{"share":"AAAA"}`, `{"share":"!"}`, `nope`, "{\"ballot\":\"\xff\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		ballot, err := governance.ParseBallot(in)
		mustBeCallers(t, err)
		if err == nil {
			again, err := jsondoc.Marshal(map[string]string{"ballot": ballot})
			if err != nil {
				t.Fatal(err)
			}
			if same, err := governance.ParseBallot(again); err != nil || same != ballot {
				t.Fatalf("ballot %q came back as %q, %v", ballot, same, err)
			}
		}
		_, err = governance.ParseStateDigest(in)
		mustBeCallers(t, err)
		_, err = governance.ParseShare(in)
		mustBeCallers(t, err)
	})
}

func mustBeCallers(t *testing.T, err error) {
	var refused *governance.Error
	if err != nil && (!errors.As(err, &refused) || refused.Code != governance.InvalidInput) {
		t.Fatalf("%v is not the caller's mistake", err)
	}
}
