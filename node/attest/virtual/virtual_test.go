package virtual

import (
	"strings"
	"testing"

	"concordat/node/attest"
)

func TestQuoteHasTheShapeServicesStore(t *testing.T) {
	p, err := New(strings.NewReader("program"))
	if err != nil {
		t.Fatal(err)
	}
	ev, err := p.Attest(attest.ReportData{1})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"host_data":"1310ca2c8932dbd118668bd97442558a3e1f546b5e15c69699dfbd6024f548d8",` +
		`"measurement":"Insecure hard-coded virtual measurement v1","report_data":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`
	got := string(ev.Quote)
	if got != want {
		t.Errorf("quote\n %s\nwant\n %s", got, want)
	}
}
