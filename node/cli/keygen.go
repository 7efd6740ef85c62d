package cli

import (
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/ledger/keys"
)

// identityDays is how long a certificate made by keygen is valid.
const identityDays = 365

// curves are the identity curves a service accepts, by the names CCF's tools use.
var curves = map[string]elliptic.Curve{
	"secp256r1": elliptic.P256(), "secp384r1": elliptic.P384(), "secp521r1": elliptic.P521(),
}

type keygenFlags struct {
	name, dir, curve string
	encryption       bool
}

func (a *app) keygenCmd() *cobra.Command {
	var f keygenFlags
	c := &cobra.Command{
		Use:   "keygen",
		Short: "Make the keys of a member or a user",
		Long: "Writes NAME_privk.pem and NAME_cert.pem (a self-signed certificate, valid for a year). With --enc-key also\n" +
			"NAME_enc_privk.pem and NAME_enc_pubk.pem, an RSA-2048 pair: a member who has one receives a recovery share.\n" +
			"Private keys are readable by their owner only; an existing file is never overwritten.",
		Example: "  concordat keygen --name alice --enc-key --dir keys",
		Args:    exactArgs(0, "no arguments"),
		RunE:    func(*cobra.Command, []string) error { return a.keygen(f) },
	}
	c.Flags().StringVar(&f.name, "name", "", "name of the member or user; becomes the certificate's common name")
	c.Flags().StringVar(&f.dir, "dir", ".", "folder to write to")
	c.Flags().StringVar(&f.curve, "curve", "secp384r1", "identity curve: secp256r1, secp384r1 or secp521r1")
	c.Flags().BoolVar(&f.encryption, "enc-key", false, "also make an encryption pair for a recovery share")
	return c
}

// keygenResult is what keygen prints.
type keygenResult struct {
	ID    string   `json:"id"`
	Files []string `json:"files"`
}

func (a *app) keygen(f keygenFlags) error {
	if strings.Trim(f.name, ".") == "" || f.name != filepath.Base(f.name) {
		return usage("--name is needed and must be a plain name, e.g. --name alice")
	}
	curve, ok := curves[f.curve]
	if !ok {
		return usage("--curve %q: want secp256r1, secp384r1 or secp521r1", f.curve)
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	r, err := writeIdentity(f, curve)
	if err != nil {
		return err
	}
	return a.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "id %s\n", r.ID)
		for _, p := range r.Files {
			fmt.Fprintf(w, "wrote %s\n", p)
		}
	})
}

func writeIdentity(f keygenFlags, curve elliptic.Curve) (keygenResult, error) {
	var r keygenResult
	key, cert, err := keys.NewIdentity(rand.Reader, curve, f.name, keys.Days(time.Now(), identityDays))
	if err != nil {
		return r, err
	}
	parsed, err := keys.ParseCertPEM(cert)
	if err != nil {
		return r, err
	}
	r.ID = keys.CertID(parsed.Raw)
	private, err := key.PEM()
	if err != nil {
		return r, err
	}
	files := []newFile{{"_privk.pem", private, 0o600}, {"_cert.pem", cert, 0o644}}
	if f.encryption {
		more, err := encryptionFiles()
		if err != nil {
			return r, err
		}
		files = append(files, more...)
	}
	r.Files, err = writeAll(filepath.Join(f.dir, f.name), files)
	return r, err
}

// writeAll writes all files or none: a key whose certificate is another's helps nobody.
func writeAll(prefix string, files []newFile) (written []string, err error) {
	for _, file := range files {
		path := prefix + file.suffix
		if err := writeNew(path, file.content, file.mode); err != nil {
			for _, p := range written {
				_ = os.Remove(p) // it was made a moment ago, by this very call
			}
			return nil, err
		}
		written = append(written, path)
	}
	return written, nil
}

type newFile struct {
	suffix  string
	content []byte
	mode    os.FileMode
}

func encryptionFiles() ([]newFile, error) {
	enc, err := keys.GenerateEncryptionKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := enc.PEM()
	if err != nil {
		return nil, err
	}
	public, err := enc.PublicPEM()
	if err != nil {
		return nil, err
	}
	return []newFile{{"_enc_privk.pem", private, 0o600}, {"_enc_pubk.pem", public, 0o644}}, nil
}

// writeNew writes a file that must not exist yet.
func writeNew(path string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("%w: choose another --name or --dir, or move the old file away", err)
	}
	if _, err := f.Write(content); err != nil {
		f.Close()
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return f.Close()
}
