package keys

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// Bounds of what a configuration or a request may ask for.
const (
	// MaxSANs bounds the alternative names of one certificate.
	MaxSANs = 100
	// maxSANBytes bounds the copied extension of a request.
	maxSANBytes = 16 << 10
)

// ErrCSR is returned for a certificate request that cannot be endorsed.
var ErrCSR = errors.New("unacceptable certificate request")

// SAN is one alternative name of a node: a host name or an address.
type SAN struct {
	DNS string
	IP  netip.Addr
}

// ParseSAN reads the configuration's form, "dNSName:host" or "iPAddress:addr".
func ParseSAN(s string) (SAN, error) {
	kind, value, _ := strings.Cut(s, ":")
	switch kind {
	case "dNSName":
		if value == "" || !isASCII(value) {
			return SAN{}, fmt.Errorf("subject alternative name %q: want dNSName:HOST", s)
		}
		return SAN{DNS: value}, nil
	case "iPAddress":
		addr, err := netip.ParseAddr(value)
		if err != nil || addr.Zone() != "" {
			return SAN{}, fmt.Errorf("subject alternative name %q: want iPAddress:ADDRESS", s)
		}
		return SAN{IP: addr}, nil
	}
	return SAN{}, fmt.Errorf("subject alternative name %q: want dNSName:HOST or iPAddress:ADDRESS", s)
}

// HostSAN is the name of a host as it appears in an address: an IP address when
// it parses as one, a host name otherwise.
func HostSAN(host string) SAN {
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		return SAN{IP: addr}
	}
	return SAN{DNS: host}
}

// Tags of GeneralName, RFC 5280 section 4.2.1.6.
const (
	tagDNSName   = 0x82
	tagIPAddress = 0x87
)

func marshalSANs(sans []SAN) ([]byte, error) {
	if len(sans) == 0 {
		return nil, nil
	}
	if len(sans) > MaxSANs {
		return nil, fmt.Errorf("%d alternative names are more than the limit of %d", len(sans), MaxSANs)
	}
	names := make([]asn1.RawValue, 0, len(sans))
	for _, s := range sans {
		if s.IP.IsValid() {
			names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tagIPAddress & 0x1f, Bytes: s.IP.Unmap().AsSlice()})
			continue
		}
		if s.DNS == "" || !isASCII(s.DNS) {
			return nil, fmt.Errorf("%q is not a host name", s.DNS)
		}
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tagDNSName & 0x1f, Bytes: []byte(s.DNS)})
	}
	der, err := asn1.Marshal(names)
	if err != nil {
		return nil, fmt.Errorf("encoding alternative names: %w", err)
	}
	return der, nil
}

// attributes are the parts of a name this package writes, RFC 4519.
var attributes = map[string]asn1.ObjectIdentifier{
	"CN": {2, 5, 4, 3}, "C": {2, 5, 4, 6}, "L": {2, 5, 4, 7}, "ST": {2, 5, 4, 8}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11},
}

// ParseSubject turns "CN=CCF Node,O=Example" into the DER of a name. Values are
// written as UTF-8 strings, as CCF does, since relying parties compare names
// byte by byte when they build chains.
func ParseSubject(s string) ([]byte, error) {
	var name []pkix.RelativeDistinguishedNameSET
	for _, part := range strings.Split(s, ",") {
		key, value, found := strings.Cut(strings.TrimSpace(part), "=")
		oid, known := attributes[key]
		if !found || !known || value == "" {
			return nil, fmt.Errorf("subject name %q: want parts such as CN=NAME, with CN, O, OU, C, L or ST", s)
		}
		name = append(name, pkix.RelativeDistinguishedNameSET{{Type: oid, Value: utf8String(value)}})
	}
	der, err := asn1.Marshal(pkix.RDNSequence(name))
	if err != nil {
		return nil, fmt.Errorf("subject name %q: %w", s, err)
	}
	return der, nil
}

func utf8String(s string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagUTF8String, Bytes: []byte(s)}
}

// marshalNames encodes a subject and its alternative names.
func marshalNames(subject string, sans []SAN) (name, alt []byte, err error) {
	if name, err = ParseSubject(subject); err != nil {
		return nil, nil, err
	}
	alt, err = marshalSANs(sans)
	return name, alt, err
}

// NodeCSR makes the request a joining node sends: its name, key and the
// alternative names it wants.
func NodeCSR(random io.Reader, key *PrivateKey, subject string, sans []SAN) ([]byte, error) {
	name, alt, err := marshalNames(subject, sans)
	if err != nil {
		return nil, err
	}
	template := &x509.CertificateRequest{RawSubject: name, SignatureAlgorithm: signatureAlgorithm(key)}
	if len(alt) > 0 {
		template.ExtraExtensions = []pkix.Extension{{Id: oidSubjectAltName, Value: alt}}
	}
	der, err := x509.CreateCertificateRequest(random, template, key.ec)
	if err != nil {
		return nil, fmt.Errorf("making a certificate request: %w", err)
	}
	return encode(pemRequest, der), nil
}

// ParseCSR reads a certificate request and checks that its sender holds the
// key it is for.
func ParseCSR(text []byte) (*x509.CertificateRequest, error) {
	block, err := decode(text, pemRequest, "NEW CERTIFICATE REQUEST")
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrCSR, err)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrCSR, err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("%w: its signature does not verify with its own key", ErrCSR)
	}
	if _, err := asEC(csr.PublicKey); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrCSR, err)
	}
	if len(requestedSAN(csr)) > maxSANBytes {
		return nil, fmt.Errorf("%w: more than %d bytes of alternative names", ErrCSR, maxSANBytes)
	}
	return csr, nil
}

// CSRIsFor reports whether the request is for this public key (DER SPKI), so
// that a node cannot have somebody else's key endorsed.
func CSRIsFor(csr *x509.CertificateRequest, spki []byte) bool {
	return bytes.Equal(csr.RawSubjectPublicKeyInfo, spki)
}

func requestedSAN(csr *x509.CertificateRequest) []byte {
	for _, e := range csr.Extensions {
		if e.Id.Equal(oidSubjectAltName) {
			return e.Value
		}
	}
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
