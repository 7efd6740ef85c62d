package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"concordat/ledger"
	"concordat/ledger/receipt"
)

func (a *app) receiptCmd() *cobra.Command {
	return a.group("receipt", "Check receipts, offline", "",
		"  concordat receipt verify receipt.json --service-cert service_cert.pem", a.receiptVerifyCmd())
}

type receiptFlags struct {
	serviceCert, claims, digest, txid string
}

func (a *app) receiptVerifyCmd() *cobra.Command {
	var f receiptFlags
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that a service committed a transaction",
		Long: "FILE is a receipt, JSON or COSE; - reads standard input. The service's certificate is all that is trusted.\n" +
			"Exit code 4 means that the receipt proves nothing.",
		Example: "  concordat receipt verify receipt.json --service-cert service_cert.pem\n" +
			"  concordat receipt verify receipt.cose --service-cert service_cert.pem --claims-file statement.txt",
		Args: exactArgs(1, "the receipt's file, or -"),
		RunE: func(_ *cobra.Command, args []string) error { return a.verifyReceipt(f, args[0]) },
	}
	c.Flags().StringVar(&f.serviceCert, "service-cert", "service_cert.pem", "certificate of the service")
	c.Flags().StringVar(&f.claims, "claims-file", "", "file whose SHA-256 must be the claims digest in the receipt")
	c.Flags().StringVar(&f.digest, "claims-digest", "", "claims digest that must be in the receipt, in hex")
	c.Flags().StringVar(&f.txid, "transaction", "", "transaction id the receipt must be about")
	return c
}

func (f *receiptFlags) options() (o receipt.Options, err error) {
	if f.claims != "" {
		if o.Claims, err = os.ReadFile(f.claims); err != nil {
			return o, err
		}
	}
	if f.digest != "" {
		b, err := hex.DecodeString(f.digest)
		if err != nil || len(b) != len(ledger.Digest{}) {
			return o, usage("--claims-digest: want 64 hex digits")
		}
		o.ClaimsDigest = (*ledger.Digest)(b)
	}
	if f.txid != "" {
		if o.TxID, err = ledger.ParseTxID(f.txid); err != nil {
			return o, usage("--transaction %q: %w", f.txid, err)
		}
	}
	return o, nil
}

// verdict is what receipt verify prints.
type verdict struct {
	Valid       bool   `json:"valid"`
	Form        string `json:"form"`
	Transaction string `json:"transaction_id,omitempty"`
	Root        string `json:"root"`
	SignedBy    string `json:"signed_by"`
	Claims      string `json:"claims_digest,omitempty"`
}

func (a *app) verifyReceipt(f receiptFlags, name string) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	text, err := a.readInput(name)
	if err != nil {
		return err
	}
	service, err := os.ReadFile(f.serviceCert)
	if err != nil {
		return fmt.Errorf("the service's certificate: %w: name it with --service-cert", err)
	}
	v, err := receipt.Verify(text, service, o)
	if errors.Is(err, receipt.ErrInvalid) || errors.Is(err, receipt.ErrMalformed) {
		return refused(fmt.Errorf("%s: %w", name, err))
	}
	if err != nil {
		return err
	}
	out := verdict{Valid: true, Form: string(v.Form), Root: v.Root.Hex(), SignedBy: v.SignedBy}
	if !v.TxID.IsZero() {
		out.Transaction = v.TxID.String()
	}
	if !v.Claims.IsZero() {
		out.Claims = v.Claims.Hex()
	}
	return a.print(out, func(w io.Writer) { out.write(w, name) })
}

func (v *verdict) write(w io.Writer, name string) {
	what := "a signature transaction"
	if v.Transaction != "" {
		what = "transaction " + v.Transaction
	}
	fmt.Fprintf(w, "%s is valid: the service committed %s\n", name, what)
	fmt.Fprintf(w, "  root      %s\n  signed by %s (%s receipt)\n", v.Root, v.SignedBy, v.Form)
	if v.Claims != "" {
		fmt.Fprintf(w, "  claims    %s\n", v.Claims)
	}
}
