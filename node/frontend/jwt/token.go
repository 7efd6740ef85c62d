package jwt

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"concordat/ledger/jsondoc"
)

// Challenge is the www-authenticate value that goes with a 401 of this policy.
const Challenge = `Bearer realm="JWT bearer token access", error="invalid_token"`

// MaxTokenBytes bounds a token before it is decoded; request headers are
// limited to less by default.
const MaxTokenBytes = 1 << 20

// Failure says why a token was not accepted. Status 401 means that the next
// policy of the endpoint may be tried and Message goes into that policy's
// details entry; 400 and 500 end the request with Code and Message.
type Failure struct {
	Status  int
	Code    string
	Message string
}

// Error prints the text that the client sees.
func (f *Failure) Error() string { return f.Message }

// refuse is the ordinary failure: not authenticated.
func refuse(format string, args ...any) *Failure {
	return &Failure{Status: http.StatusUnauthorized, Code: "InvalidAuthenticationInfo", Message: fmt.Sprintf(format, args...)}
}

func badInput(format string, args ...any) *Failure {
	return &Failure{Status: http.StatusBadRequest, Code: "InvalidInput", Message: fmt.Sprintf(format, args...)}
}

func internal(format string, args ...any) *Failure {
	return &Failure{Status: http.StatusInternalServerError, Code: "InternalError", Message: fmt.Sprintf(format, args...)}
}

// token is a decoded, not yet verified token.
type token struct {
	header, payload jsondoc.Value // objects
	signed          string        // the text the signature covers
	signature       []byte
	kid             string
	claims          claims
}

// claims are the payload members the check itself needs.
type claims struct {
	exp, nbf uint64
	hasNBF   bool
	iss      string
	tid      *string
}

// bearer cuts the token out of an authorization header.
func bearer(authorization string, present bool) (string, *Failure) {
	if !present {
		return "", refuse("Missing authorization header")
	}
	scheme, rest, two := strings.Cut(authorization, " ")
	if !two {
		return "", refuse("Authorization header only contains one field")
	}
	if scheme != "Bearer" {
		return "", refuse("Authorization header does not have Bearer scheme")
	}
	return rest, nil
}

// parse decodes the three parts and the claims the check needs.
func parse(text string) (*token, *Failure) {
	if len(text) > MaxTokenBytes {
		return nil, refuse("Malformed JWT: longer than %d bytes", MaxTokenBytes)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, refuse("Malformed JWT: must contain exactly 3 parts")
	}
	raw := make([][]byte, len(parts))
	for i, p := range parts {
		b, f := decodePart(p)
		if f != nil {
			return nil, f
		}
		raw[i] = b
	}
	t := &token{signed: parts[0] + "." + parts[1], signature: raw[2]}
	var f *Failure
	if t.header, t.payload, f = parseObjects(raw[0], raw[1]); f != nil {
		return nil, f
	}
	if t.kid, f = headerKID(t.header); f != nil {
		return nil, f
	}
	t.claims, f = payloadClaims(t.payload)
	return t, f
}

// decodePart decodes as OpenSSL does after CCF's completion of the padding:
// either alphabet, blanks skipped. The numbers in the failures are the length
// of the completed text and of the buffer that OpenSSL asks for.
func decodePart(p string) ([]byte, *Failure) {
	text := strings.NewReplacer("-", "+", "_", "/").Replace(p)
	switch len(text) % 4 {
	case 2:
		text += "=="
	case 3:
		text += "="
	}
	failed := func(step string) *Failure {
		return internal("OSSL: Could not decode %s from base64 string: unknown error [%d bytes out of %d, chunk_len = 0]",
			step, len(text), (len(text)+3)/4*3+80)
	}
	plain := strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(text)
	b, err := base64.StdEncoding.DecodeString(plain)
	switch {
	case err == nil:
		return b, nil
	case strings.Trim(plain, base64Alphabet) == "" && len(plain)%4 != 0:
		return nil, failed("final") // only the end is missing
	default:
		return nil, failed("update")
	}
}

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

func parseObjects(header, payload []byte) (h, p jsondoc.Value, f *Failure) {
	values := [2]jsondoc.Value{}
	for i, raw := range [][]byte{header, payload} {
		v, err := jsondoc.Parse(raw)
		if err != nil {
			return h, p, refuse("JWT header or payload is not valid JSON: %v", err)
		}
		values[i] = v
	}
	for _, v := range values {
		if v.Kind() != jsondoc.Object {
			return h, p, refuse("JWT header or payload is not an object")
		}
	}
	return values[0], values[1], nil
}

// headerKID checks the header's schema. The algorithm must be one of the two
// names, but the one that is used follows the key's type, so a wrong name
// cannot choose a weaker check.
func headerKID(h jsondoc.Value) (string, *Failure) {
	for _, field := range []string{"alg", "kid"} {
		v, ok := h.Lookup(field)
		if !ok {
			return "", refuse("JWT header does not follow schema: %s", missing(field, h))
		}
		if alg, _ := v.Str(); field == "alg" && alg != "RS256" && alg != "ES256" {
			return "", refuse("JWT header does not follow schema: At #/alg: %s is not convertible to JwtCryptoAlgorithm", dump(v))
		}
	}
	return text(h.Get("kid"))
}

func payloadClaims(p jsondoc.Value) (claims, *Failure) {
	var c claims
	var f *Failure
	for _, field := range []string{"exp", "iss"} {
		if _, ok := p.Lookup(field); !ok {
			return c, refuse("JWT payload is missing required field: %s", missing(field, p))
		}
		if field == "exp" {
			if c.exp, f = seconds(p.Get("exp")); f != nil {
				return c, f
			}
		}
	}
	if c.iss, f = text(p.Get("iss")); f != nil {
		return c, f
	}
	if v := p.Get("nbf"); !v.IsNull() {
		c.hasNBF = true
		if c.nbf, f = seconds(v); f != nil {
			return c, f
		}
	}
	if v := p.Get("tid"); !v.IsNull() {
		tid, f := text(v)
		if f != nil {
			return c, f
		}
		c.tid = &tid
	}
	return c, nil
}

func text(v jsondoc.Value) (string, *Failure) {
	s, ok := v.Str()
	if !ok {
		return "", wrongType("string", v)
	}
	return s, nil
}

// seconds converts a number as CCF's unsigned field does: fractions are cut
// and negative numbers wrap around to a far future (corrections A4).
func seconds(v jsondoc.Value) (uint64, *Failure) {
	literal, ok := v.Literal()
	if !ok {
		return 0, wrongType("number", v)
	}
	if u, err := strconv.ParseUint(literal, 10, 64); err == nil {
		return u, nil
	}
	if i, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return uint64(i), nil
	}
	f, _ := strconv.ParseFloat(literal, 64) // the reader takes no literal that this refuses
	switch {
	case f >= math.MaxUint64:
		return math.MaxUint64, nil
	case f < 0:
		return uint64(int64(math.Max(f, math.MinInt64))), nil
	}
	return uint64(f), nil
}

func missing(field string, o jsondoc.Value) string {
	return fmt.Sprintf("At #/: Missing required field '%s' in object: %s", field, dump(o))
}

func wrongType(want string, got jsondoc.Value) *Failure {
	return badInput("[json.exception.type_error.302] type must be %s, but is %s", want, got.Kind())
}

// dump prints a value as CCF's messages and caller objects show it.
func dump(v jsondoc.Value) []byte { return v.Canonical().Append(nil) }
