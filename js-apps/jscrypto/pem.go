package jscrypto

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Limits on outside text.
const (
	maxPEMBytes    = 1 << 20 // a bundle of certificates
	maxKeyPEMBytes = 1 << 15 // one key; twice what 16384 bits of RSA need
	maxBundleCerts = 256
	maxQuotedText  = 4096 // of a bad PEM text repeated in an error
	// maxUsableRSABits is OpenSSL's limit too. Without it, one call with a
	// modulus of a megabyte would keep a processor busy for minutes.
	maxUsableRSABits = 16384
)

const (
	certificateBegin = "-----BEGIN CERTIFICATE-----"
	certificateEnd   = "-----END CERTIFICATE-----"
)

var (
	errParsePEM   = errors.New("could not parse PEM")
	errInvalidRSA = errors.New("invalid RSA key")
)

// checkPEM refuses text that no PEM block begins in.
func checkPEM(text string) error {
	if len(text) > maxPEMBytes {
		return fmt.Errorf("PEM of %d bytes is over the limit of %d", len(text), maxPEMBytes)
	}
	if !strings.Contains(text, "-----BEGIN") {
		return fmt.Errorf("PEM constructed with non-PEM data: %s", text[:min(len(text), maxQuotedText)])
	}
	return nil
}

// decodeFirst finds the first block of one of the given types and decodes it.
func decodeFirst(text string, types ...string) (blockType string, der []byte, err error) {
	if err := checkPEM(text); err != nil {
		return "", nil, err
	}
	if len(text) > maxKeyPEMBytes {
		return "", nil, fmt.Errorf("PEM of %d bytes is over the limit of %d", len(text), maxKeyPEMBytes)
	}
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return "", nil, errParsePEM
		}
		for _, t := range types {
			if block.Type == t {
				return block.Type, block.Bytes, nil
			}
		}
	}
}

func encodePEM(blockType string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der}))
}

// certificateDER decodes a certificate the way CCF's verifier takes it: text
// that does not begin with the exact header line (leading blanks, CR LF) is
// read as DER and so fails; what follows the first certificate is ignored.
func certificateDER(text string) ([]byte, error) {
	body, ok := strings.CutPrefix(text, certificateBegin+"\n")
	if !ok {
		return nil, errors.New("OpenSSL error: not a certificate")
	}
	body, _, ok = strings.Cut(body, certificateEnd)
	if !ok {
		return nil, errors.New("OpenSSL error: PEM routines: bad end line")
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(body), ""))
	if err != nil {
		return nil, fmt.Errorf("OpenSSL error: PEM routines: %w", err)
	}
	if !looksLikeCertificate(der) {
		return nil, errors.New("OpenSSL error: asn1 encoding routines: not a certificate")
	}
	return der, nil
}

// looksLikeCertificate checks the outer structure of RFC 5280 §4.1 only, so
// that ids exist also for certificates whose keys Go does not know.
func looksLikeCertificate(der []byte) bool {
	s, cert, tbs, alg := cryptobyte.String(der), cryptobyte.String(nil), cryptobyte.String(nil), cryptobyte.String(nil)
	var signature []byte
	return s.ReadASN1(&cert, asn1.SEQUENCE) && s.Empty() &&
		cert.ReadASN1(&tbs, asn1.SEQUENCE) && !tbs.Empty() &&
		cert.ReadASN1(&alg, asn1.SEQUENCE) &&
		cert.ReadASN1BitStringAsBytes(&signature) && cert.Empty()
}

// parseCertificate is certificateDER with a full parse.
func parseCertificate(text string) (*x509.Certificate, error) {
	der, err := certificateDER(text)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("OpenSSL error: %w", err)
	}
	return cert, usable(cert.PublicKey)
}

// PEMToID is the hex SHA-256 of the DER form of a PEM certificate: the id that
// users and members have.
func PEMToID(pemText string) (string, error) {
	if err := checkPEM(pemText); err != nil {
		return "", internalErrorf("Failed to parse PEM: %v", err)
	}
	der, err := certificateDER(pemText)
	if err != nil {
		return "", internalErrorf("Failed to parse PEM: %v", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}
