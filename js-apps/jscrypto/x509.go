package jscrypto

import (
	"bytes"
	"crypto/x509"
	"errors"
	"strings"
	"time"
)

var errBundle = errors.New("no certificate in the text")

// splitBundle cuts a run of PEM certificates apart. Blanks between them are
// skipped and whatever follows the last one is ignored.
func splitBundle(text string) ([]*x509.Certificate, error) {
	if len(text) > maxPEMBytes {
		return nil, errBundle
	}
	var certs []*x509.Certificate
	for {
		text = strings.TrimLeft(text, " \t\n\v\f\r")
		end := strings.Index(text, certificateEnd)
		if end < 0 {
			break
		}
		if len(certs) == maxBundleCerts {
			return nil, errBundle
		}
		end += len(certificateEnd)
		cert, err := parseCertificate(text[:end])
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
		text = text[end:]
	}
	if len(certs) == 0 {
		return nil, errBundle
	}
	return certs, nil
}

// IsValidX509CertBundle tells whether text is a run of PEM certificates, the
// first of which begins the text. The empty text is one.
func IsValidX509CertBundle(text string) bool {
	if text == "" {
		return true
	}
	_, err := splitBundle(text)
	return err == nil
}

// IsValidX509CertChain tells whether the first certificate of chain leads,
// through the others of chain, to one of trusted at the given time. A trusted
// intermediate is enough, but a certificate that is no root cannot vouch for
// itself (probes chain-inter-trusted and chain-leaf-trusted).
func IsValidX509CertChain(chain, trusted string, now time.Time) bool {
	certs, err := splitBundle(chain)
	if err != nil {
		return false
	}
	anchors, err := splitBundle(trusted)
	if err != nil {
		return false
	}
	target := certs[0]
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range anchors {
		if !c.Equal(target) || bytes.Equal(c.RawSubject, c.RawIssuer) {
			roots.AddCert(c)
		}
	}
	for _, c := range certs[1:] {
		others.AddCert(c)
	}
	_, err = target.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: others, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err == nil
}
