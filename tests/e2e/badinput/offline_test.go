package badinput

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concordat/node/cli"
)

// offline runs a command in process: thousands of damaged files are looked at, and
// a panic ends the test.
func offline(args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = cli.Main(args, cli.Stdio{In: strings.NewReader(""), Out: &out, Err: &errs}, func(string) string { return "" })
	return out.String(), errs.String(), code
}

// evidence is what a service that ran left to its auditors.
type evidence struct {
	ledger, cert string // folder and file
	receipts     map[string][]byte
}

func collect(t *testing.T) *evidence {
	t.Helper()
	r := start(t)
	write, err := r.client.Do(context.Background(), http.MethodPost, "/app/log/private", nil, []byte(`{"id":1,"msg":"x"}`))
	if err != nil || write.Err() != nil {
		t.Fatal(err, write.Err())
	}
	id := write.TxID()
	r.settled()
	e := &evidence{
		ledger: filepath.Join(r.dir, "sandbox_0", "ledger"), cert: filepath.Join(r.dir, "sandbox_common", "service_cert.pem"),
		receipts: map[string][]byte{},
	}
	for form, path := range map[string]string{"json": "/app/receipt?transaction_id=", "cose": "/app/receipt?format=cose&transaction_id="} {
		for end := time.Now().Add(commandLimit); e.receipts[form] == nil; time.Sleep(20 * time.Millisecond) {
			a, err := r.client.Do(context.Background(), http.MethodGet, path+id.String(), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if time.Now().After(end) {
				t.Fatalf("no receipt: %d %s", a.Status, a.Body)
			}
			if a.Status == http.StatusOK {
				e.receipts[form] = a.Body
			}
		}
	}
	if err := r.sandbox.Stop(); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestOfflineTools gives ledger verify, ledger show and receipt verify what they
// cannot believe. They say so, and never fall over.
func TestOfflineTools(t *testing.T) {
	e := collect(t)
	t.Run("receipts", e.badReceipts)
	t.Run("strange files", e.strangeFiles)
	t.Run("damaged ledgers", e.damagedLedgers)
}

func (e *evidence) badReceipts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "receipt")
	verify := func(b []byte) (string, int) {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
		_, errs, code := offline("receipt", "verify", file, "--service-cert", e.cert)
		return errs, code
	}
	for form, good := range e.receipts {
		if errs, code := verify(good); code != 0 {
			t.Fatalf("%s: the receipt itself: %s", form, errs)
		}
		for n := 0; n < len(good); n += 1 + len(good)/200 {
			if errs, code := verify(good[:n]); code != 4 || !strings.HasPrefix(errs, "concordat: "+file) {
				t.Errorf("%s cut to %d bytes: exit code %d, %s", form, n, code, errs)
			}
		}
		for n := 0; n < len(good); n += 1 + len(good)/400 {
			bad := bytes.Clone(good)
			bad[n] ^= 0x10
			if errs, code := verify(bad); code != 4 {
				t.Errorf("%s with byte %d changed: exit code %d, %s", form, n, code, errs)
			}
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "words": "believe me", "null": "null", "a number": "7", "a list": "[]", "no members": "{}",
		"strange members": `{"cert":7,"leaf_components":[],"proof":{},"signature":true}`,
		"nested":          strings.Repeat("[", 1<<20), "nested CBOR": "\xd2\x84" + strings.Repeat("\x81", 1<<20),
		"huge claims": "\xd2\x84\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
	} {
		if errs, code := verify([]byte(text)); code != 4 || len(errs) > 1000 {
			t.Errorf("%s: exit code %d, %.300s", name, code, errs)
		}
	}
}

// strangeFiles are named like chunks and hold something else.
func (e *evidence) strangeFiles(t *testing.T) {
	header := func(table uint64) string {
		var b [8]byte
		for i := range b {
			b[i] = byte(table >> (8 * i))
		}
		return string(b[:])
	}
	for name, files := range map[string]map[string]string{
		"no files":           {},
		"an empty file":      {"ledger_1": ""},
		"half a header":      {"ledger_1": "\x00\x00\x00"},
		"only a header":      {"ledger_1": header(0)},
		"words":              {"ledger_1": "this is not a ledger at all, but it is long enough to look at"},
		"table beyond":       {"ledger_1-5.committed": header(1 << 40)},
		"table: all ones":    {"ledger_1-5.committed": header(^uint64(0))},
		"table in header":    {"ledger_1-5.committed": header(3)},
		"huge entry":         {"ledger_1": header(0) + "\x01\x00\xff\xff\xff\xff\xff\xff" + strings.Repeat("x", 100)},
		"empty entry":        {"ledger_1": header(0) + "\x01\x00\x00\x00\x00\x00\x00\x00"},
		"backward name":      {"ledger_9-2.committed": header(0)},
		"name of zero":       {"ledger_0-0.committed": header(0)},
		"huge name":          {"ledger_99999999999999999999-99999999999999999999.committed": header(0)},
		"two of a kind":      {"ledger_1": header(0), "ledger_1-2": header(0), "ledger_1-2.committed": header(0)},
		"not from the start": {"ledger_7-9.committed": header(0)},
	} {
		dir := t.TempDir()
		for file, text := range files {
			write(t, dir, file, text)
		}
		for _, args := range [][]string{{"ledger", "verify", dir}, {"ledger", "verify", dir, "--service-cert", e.cert, "--output", "json"}, {"ledger", "show", dir}, {"ledger", "show", dir, "--values", "--output", "json"}} {
			_, errs, code := offline(args...)
			if code != 0 && (errs == "" || len(errs) > 2000) {
				t.Errorf("%s: %v: exit code %d, %.300q", name, args[:2], code, errs)
			}
			if args[1] == "verify" && code != 4 && code != 1 {
				t.Errorf("%s: %v: exit code %d", name, args, code)
			}
		}
	}
}

// damagedLedgers changes the true ledger in ways that a disk or a liar would.
func (e *evidence) damagedLedgers(t *testing.T) {
	chunks, err := filepath.Glob(filepath.Join(e.ledger, "ledger_*"))
	if err != nil || len(chunks) == 0 {
		t.Fatalf("no chunks: %v", err)
	}
	good, err := os.ReadFile(chunks[0])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, filepath.Base(chunks[0]))
	check := func(what string, b []byte) {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
		out, errs, code := offline("ledger", "verify", dir, "--service-cert", e.cert)
		if code != 4 && code != 1 || !strings.Contains(out+errs, filepath.Base(file)) {
			t.Errorf("%s: exit code %d\n%s%s", what, code, out, errs)
		}
		_, _, code = offline("ledger", "show", dir, "--values")
		if code != 0 && code != 1 {
			t.Errorf("%s: ledger show: exit code %d", what, code)
		}
	}
	random := rand.New(rand.NewPCG(7, 7))
	committed := strings.HasSuffix(file, ".committed")
	for i := range 30 {
		b := bytes.Clone(good)
		n := 8 + random.IntN(len(b)-8)
		switch i % 3 {
		case 0:
			copy(b[n:], "\xff\xff\xff\xff\xff\xff\xff\xff")
		case 1:
			b = append(b[:n], b[min(len(b), n+1+random.IntN(64)):]...)
		case 2:
			if !committed {
				continue // a file in use may end anywhere
			}
			b = b[:n]
		}
		if !bytes.Equal(b, good) {
			check([]string{"overwritten", "shortened", "cut"}[i%3], b)
		}
	}
}
