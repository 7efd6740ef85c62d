package jsondoc

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Append writes v compactly, the members of objects in their order.
func (v Value) Append(dst []byte) []byte {
	switch v.kind {
	case Bool:
		return strconv.AppendBool(dst, v.truth)
	case Number:
		return append(dst, v.text...)
	case String:
		return AppendString(dst, v.text)
	case Array:
		return v.appendArray(dst)
	case Object:
		return v.appendObject(dst)
	}
	return append(dst, "null"...)
}

func (v Value) appendArray(dst []byte) []byte {
	dst = append(dst, '[')
	for i := range v.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = v.items[i].Append(dst)
	}
	return append(dst, ']')
}

func (v Value) appendObject(dst []byte) []byte {
	dst = append(dst, '{')
	for i := range v.members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, v.members[i].Name)
		dst = append(dst, ':')
		dst = v.members[i].Value.Append(dst)
	}
	return append(dst, '}')
}

const hexDigits = "0123456789abcdef"

// AppendString writes a JSON string as both writers do: the short escapes where
// there is one, \u00xx for other control characters, everything else as it is.
// Bytes that are no UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
		if c >= 0x20 && c != '"' && c != '\\' {
			dst = append(dst, c)
			continue
		}
		dst = appendEscape(dst, c)
	}
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	if i := strings.IndexByte("\"\\\b\f\n\r\t", c); i >= 0 {
		return append(dst, '\\', `"\bfnrt`[i])
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// canonicalNumber rewrites a literal as the native writer would after reading
// it: integers of 64 bits stay integers, everything else is a double in its
// shortest form, with ".0" where it would look like an integer.
func canonicalNumber(literal string) (string, bool) {
	if !strings.ContainsAny(literal, ".eE") {
		if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
			return strconv.FormatInt(n, 10), true
		}
		if n, err := strconv.ParseUint(literal, 10, 64); err == nil {
			return strconv.FormatUint(n, 10), true
		}
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil || math.IsInf(f, 0) {
		return "", false
	}
	return formatDouble(f), true
}

// The decimal exponents between which a double is written without an exponent.
const (
	minPlainExponent = -4
	maxPlainExponent = 15
)

func formatDouble(f float64) string {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	mantissa, exponent, _ := strings.Cut(s, "e")
	digits := strings.Replace(mantissa, ".", "", 1)
	e, _ := strconv.Atoi(exponent)
	point := e + 1 // position of the decimal point in digits
	switch {
	case f == 0:
		return sign + "0.0"
	case len(digits) <= point && point <= maxPlainExponent:
		return sign + digits + strings.Repeat("0", point-len(digits)) + ".0"
	case 0 < point && point <= maxPlainExponent:
		return sign + digits[:point] + "." + digits[point:]
	case minPlainExponent < point && point <= 0:
		return sign + "0." + strings.Repeat("0", -point) + digits
	}
	if len(digits) > 1 {
		digits = digits[:1] + "." + digits[1:]
	}
	return sign + digits + "e" + exponent
}
