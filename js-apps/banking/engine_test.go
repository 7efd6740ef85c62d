package banking

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"testing"

	"concordat/js-apps/api"
	"concordat/js-apps/apptest"
)

var (
	member = &api.Caller{Policy: "member_cert", ID: "m"}
	alice  = &api.Caller{Policy: "user_cert", ID: "alice"}
	bob    = &api.Caller{Policy: "user_cert", ID: "bob"}
	eve    = &api.Caller{Policy: "user_cert", ID: "eve"}
)

// bank is the application on the engine, with two users who have an account
// each and an auditor.
func bank(t *testing.T) *apptest.App {
	t.Helper()
	app := apptest.New(t, App())
	for _, user := range []string{"alice", "bob", "eve"} {
		app.Put("public:ccf.gov.users.certs", user, "certificate")
	}
	app.Put("public:ccf.gov.users.info", "eve", `{"user_data":{"role":"auditor"}}`)
	do(t, app, member, 201, "PUT", "/accounts/alice/main", "")
	do(t, app, member, 201, "PUT", "/accounts/bob/main", "")
	do(t, app, member, 200, "POST", "/accounts/alice/main/deposits", `{"amount":100}`)
	return app
}

func do(t *testing.T, app *apptest.App, as *api.Caller, want int, method, target, body string) *apptest.Response {
	t.Helper()
	r := app.Do(apptest.Request{Method: method, Target: target, Body: body, Caller: as})
	if r.Error != nil || r.Status != want {
		t.Fatalf("%s %s: %d %s, want %d", method, target, r.Status, r.Text(), want)
	}
	return r
}

const rent = `{"id":"t1","to_user":"bob","to_account":"main","amount":30,"reference":"rent"}`

// TestOnTheEngine runs the checked-in bundle the way a node does; the details
// of the rules are in the unit tests of the sources.
func TestOnTheEngine(t *testing.T) {
	app := bank(t)
	paid := do(t, app, alice, 201, "POST", "/transfers/main", rent)
	var answer struct {
		Claim  string
		Digest string `json:"claims_digest"`
	}
	if err := json.Unmarshal(paid.Body, &answer); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(answer.Claim))
	if answer.Digest != fmt.Sprintf("%x", digest) || paid.Claims == nil || *paid.Claims != digest {
		t.Errorf("claim %s, digest %s, claims %x", answer.Claim, answer.Digest, paid.Claims)
	}
	if again := do(t, app, alice, 200, "POST", "/transfers/main", rent); again.Claims != nil || again.ID != paid.ID {
		t.Error("the repeated transfer wrote something")
	}
	do(t, app, alice, 409, "POST", "/transfers/main", `{"id":"t2","to_user":"bob","to_account":"main","amount":1,"expected_version":1}`)
	do(t, app, alice, 409, "POST", "/transfers/main", `{"id":"t2","to_user":"bob","to_account":"main","amount":71}`)
	do(t, app, alice, 400, "POST", "/transfers/main", `{`)
	for caller, want := range map[*api.Caller]string{alice: `{"balance":70,"version":2}`, bob: `{"balance":30,"version":1}`} {
		if got := do(t, app, caller, 200, "GET", "/balance/main", "").Text(); got != want {
			t.Errorf("%s has %s, want %s", caller.ID, got, want)
		}
	}
	want := `{"balance":30,"lines":[{"version":1,"transfer":"t1","counterparty":"alice/main","amount":30,"balance":30,"reference":"rent"}]}`
	if got := do(t, app, bob, 200, "GET", "/statement/main", "").Text(); got != want {
		t.Errorf("statement %s", got)
	}
	want = `{"accounts":[{"account":"alice/main","balance":70,"version":2},{"account":"bob/main","balance":30,"version":1}],"total":100}`
	for _, caller := range []*api.Caller{eve, member} {
		if got := do(t, app, caller, 200, "GET", "/audit/accounts", "").Text(); got != want {
			t.Errorf("audit %s", got)
		}
	}
	do(t, app, alice, 403, "GET", "/audit/transfers", "")
}

func TestReceiptOnTheEngine(t *testing.T) {
	app := bank(t)
	paid := do(t, app, alice, 201, "POST", "/transfers/main", rent)
	tx := app.Begin()
	defer tx.Release()
	past := &api.State{ID: paid.ID, Tx: tx, Receipt: &api.Receipt{NodeID: "n", ClaimsDigest: *paid.Claims}}
	ask := func(as *api.Caller, id string) *apptest.Response {
		return app.Do(apptest.Request{Method: "GET", Target: "/receipts/" + id, Caller: as, Past: past})
	}
	var proof struct {
		ID      string `json:"transaction_id"`
		Digest  string `json:"claims_digest"`
		Receipt struct {
			Leaf struct {
				Digest string `json:"claims_digest"`
			} `json:"leaf_components"`
		}
	}
	if err := json.Unmarshal(ask(bob, "t1").Body, &proof); err != nil {
		t.Fatal(err)
	}
	if proof.ID != paid.ID.String() || proof.Digest == "" || proof.Digest != proof.Receipt.Leaf.Digest {
		t.Errorf("proof %+v", proof)
	}
	for id, status := range map[string]int{"t1": 403, "t2": 404} {
		if r := ask(eve, id); r.Status != status {
			t.Errorf("%s: %d %s", id, r.Status, r.Text())
		}
	}
}
