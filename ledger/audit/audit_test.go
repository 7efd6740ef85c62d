package audit

import (
	"path/filepath"
	"testing"
)

func TestRecordedLedgersAreAccepted(t *testing.T) {
	for _, service := range services(t) {
		r := verify(t, options(t, service), filepath.Join(service, "ledger"))
		t.Logf("%s\n%s", filepath.Base(service), r.Summary())
		if !r.OK() || r.Entries == 0 || r.Opened != r.Entries {
			t.Errorf("%s:\n%s", filepath.Base(service), r.Summary())
		}
	}
}
