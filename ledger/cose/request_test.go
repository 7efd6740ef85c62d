package cose

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"concordat/ledger/fixture"
	"concordat/ledger/keys"
)

// step is the part of a recorded exchange these tests look at.
type step struct {
	ID      string
	Headers map[string]any `json:"request_headers"`
	Body    struct {
		B64  string
		UTF8 *string
	} `json:"request_body"`
	Cose *struct {
		Mutation   string
		Signer     string
		Kid        string
		MsgType    *string `json:"msg_type"`
		CreatedAt  *uint64 `json:"created_at"`
		ProposalID string  `json:"proposal_id"`
		Payload    struct{ UTF8 string }
	}
	Status   int
	Response struct{ UTF8 string } `json:"response_body"`
}

func (s step) body(t *testing.T) []byte {
	if s.Body.UTF8 != nil {
		return []byte(*s.Body.UTF8)
	}
	b, err := base64.StdEncoding.DecodeString(s.Body.B64)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func recordedSteps(t *testing.T, group string) []step {
	t.Helper()
	var steps []step
	fixture.JSON(t, &steps, "http-transcripts", group+".json")
	return steps
}

// answer is CCF's complaint in a recorded answer.
func (s step) answer(t *testing.T) string {
	var e struct {
		Error struct {
			Message string
			Details []struct{ Message string }
		}
	}
	if err := json.Unmarshal([]byte(s.Response.UTF8), &e); err != nil {
		t.Fatal(err)
	}
	if len(e.Error.Details) > 0 {
		return e.Error.Details[0].Message
	}
	return e.Error.Message
}

func TestRecordedFaultsGetTheSameAnswer(t *testing.T) {
	decode, verify := 0, 0
	for group, parse := range map[string]func([]byte) (*Request, error){"05-gov-signed": ParseGov, "10-js": ParseUser} {
		for _, s := range recordedSteps(t, group) {
			if s.Headers["content-type"] != "application/cose" || s.Status == 0 {
				continue
			}
			if s.Status == 200 && len(s.body(t)) == 0 {
				continue // the recording leaves out very large bodies
			}
			r, err := parse(s.body(t))
			var fault *DecodeError
			switch {
			case errors.As(err, &fault):
				decode++
				if s.Status != 500 || s.answer(t) != fault.Text {
					t.Errorf("%s: %q, recorded %d %q", s.ID, fault.Text, s.Status, s.answer(t))
				}
			case err != nil:
				t.Errorf("%s: %v is not a DecodeError", s.ID, err)
			case s.Status == 500 && strings.Contains(s.answer(t), "COSE_Sign1"), s.Status == 500 && strings.Contains(s.answer(t), "protected header"):
				t.Errorf("%s: accepted, recorded %q", s.ID, s.answer(t))
			case s.Cose != nil && s.Cose.Signer != "" && Supported(r.Alg):
				verify += checkSignature(t, s, r)
			}
		}
	}
	if decode < 10 || verify < 20 {
		t.Fatalf("only %d faults and %d signatures seen", decode, verify)
	}
}

func checkSignature(t *testing.T, s step, r *Request) int {
	cert := identity(t, s.Cose.Signer)
	if len(cert) == 0 {
		return 0
	}
	parsed, err := keys.ParseCertPEM(cert)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := keys.CertKey(parsed)
	if err != nil {
		t.Fatal(err)
	}
	refused := s.Status == 401 && s.answer(t) == "Failed to validate COSE Sign1"
	if got := r.Verify(pub) != nil; got != refused {
		t.Errorf("%s (%s): refused is %v, recorded %d", s.ID, s.Cose.Mutation, got, s.Status)
	}
	return 1
}

func identity(t *testing.T, name string) []byte {
	t.Helper()
	var all struct{ Files map[string]string }
	fixture.JSON(t, &all, "http-transcripts", "identities.json")
	return []byte(all.Files[name+"_cert.pem"])
}

// Every recorded message is rebuilt from its logical content; only the
// signature differs.
func TestRequestsAreBuiltAsRecorded(t *testing.T) {
	key := newKey(t, elliptic.P384())
	seen := 0
	for _, s := range recordedSteps(t, "05-gov-signed") {
		if s.Cose == nil || s.Cose.Mutation != "" || s.Cose.MsgType == nil || s.Cose.CreatedAt == nil {
			continue
		}
		want := s.body(t)
		h := RequestHeader{Kid: s.Cose.Kid, Type: *s.Cose.MsgType, CreatedAt: *s.Cose.CreatedAt, ProposalID: s.Cose.ProposalID}
		got, err := SignGov(rand.Reader, key, h, []byte(s.Cose.Payload.UTF8))
		if err != nil {
			t.Fatal(err)
		}
		if a, b := got[:max(0, len(got)-96)], want[:max(0, len(want)-96)]; len(got) == len(want) && !bytes.Equal(a, b) {
			t.Errorf("%s: got\n%x\nwant\n%x", s.ID, a, b)
		} else if len(got) == len(want) {
			seen++
		}
	}
	if seen < 10 {
		t.Fatalf("only %d messages compared", seen)
	}
}

func govMessage(t testing.TB, key *keys.PrivateKey) []byte {
	b, err := SignGov(rand.Reader, key, RequestHeader{Kid: "id", Type: TypeBallot, CreatedAt: 7, ProposalID: "p"}, []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRequestsReadBack(t *testing.T) {
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key := newKey(t, c)
		r, err := ParseGov(govMessage(t, key))
		if err != nil {
			t.Fatal(err)
		}
		if r.Kid != "id" || r.Type != TypeBallot || r.CreatedAt != 7 || r.ProposalID != "p" || string(r.Payload) != "payload" {
			t.Fatalf("%+v", r)
		}
		if err := r.Verify(key.Public()); err != nil {
			t.Fatal(err)
		}
		if err := r.Verify(newKey(t, c).Public()); !errors.Is(err, ErrSignature) {
			t.Fatalf("another key: %v", err)
		}
	}
}

func TestRequestsSignedElsewhere(t *testing.T) {
	key := newKey(t, elliptic.P384())
	protected, digest, err := PrepareGov(ES384, RequestHeader{Kid: "id", CreatedAt: 7}, []byte("p"))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := key.SignRaw(rand.Reader, digest)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseGov(FinishGov(protected, []byte("p"), sig))
	if err != nil || r.Verify(key.Public()) != nil {
		t.Fatalf("%v", err)
	}
}

// header builds a message around a hand-made protected header.
func header(hexMap string) []byte {
	protected, err := hex.DecodeString(hexMap)
	if err != nil {
		panic(err)
	}
	return FinishGov(protected, []byte("x"), []byte("y"))
}

func TestFaultsInOrder(t *testing.T) {
	alg, kid := "0126", "044162"
	created := "76" + hex.EncodeToString([]byte(govCreatedAt))
	for name, c := range map[string]struct{ header, want string }{
		"empty map":         {"a0", "Failed to decode protected header: 67"},
		"not a map":         {"80", "Failed to decode protected header: 61"},
		"cut short":         {"a3" + alg, "Failed to decode protected header: 31"},
		"twice":             {"a2" + alg + alg, "Failed to decode protected header: 62"},
		"alg is text":       {"a10161" + "61", "Failed to decode protected header: 61"},
		"kid is text":       {"a2" + alg + "0461" + "61", "Failed to decode protected header: 61"},
		"no kid":            {"a2" + alg + created + "07", "Missing kid in protected header"},
		"no alg":            {"a2" + kid + created + "07", "Missing algorithm in protected header"},
		"no created_at":     {"a2" + alg + kid, "Missing created_at in protected header"},
		"negative":          {"a3" + alg + kid + created + "20", "Header parameter created_at must be positive"},
		"above 63 bits":     {"a3" + alg + kid + created + "1bffffffffffffffff", "Failed to decode protected header: 61"},
		"all as it must be": {"a3" + alg + kid + created + "07", ""},
	} {
		_, err := ParseGov(header(c.header))
		if got := errText(err); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestMemberKeysOfTheFixturesSignAcceptably(t *testing.T) {
	names := fixture.Glob(t, "ccf-services/*/common/member*_cert.pem")
	for _, name := range names {
		key, err := keys.ParsePrivateKeyPEM(fixture.File(t, strings.Replace(name, "_cert.pem", "_privk.pem", 1)))
		if err != nil {
			t.Fatal(err)
		}
		cert, err := keys.ParseCertPEM(fixture.File(t, name))
		if err != nil {
			t.Fatal(err)
		}
		pub, err := keys.CertKey(cert)
		if err != nil {
			t.Fatal(err)
		}
		r, err := ParseGov(govMessage(t, key))
		if err != nil || r.Verify(pub) != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseGov(f *testing.F) {
	key := newKey(f, elliptic.P256())
	f.Add(govMessage(f, key))
	f.Add(header("a20126044162"))
	f.Add([]byte("\xd2\x84\x40\xa0\x40\x40"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) (*Request, error){ParseGov, ParseUser} {
			r, err := parse(b)
			var fault *DecodeError
			if err != nil && !errors.As(err, &fault) {
				t.Fatalf("%v is not a DecodeError", err)
			}
			if err == nil && r.Verify(key.Public()) == nil && !bytes.Contains(b, []byte("payload")) {
				t.Fatal("a forged message verifies")
			}
		}
	})
}
