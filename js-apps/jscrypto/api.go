package jscrypto

import "fmt"

// KeyPair is what the generate…KeyPair functions return to JavaScript as
// {privateKey, publicKey}, both PEM.
type KeyPair struct {
	PrivateKey string
	PublicKey  string
}

// String hides the private half from logs.
func (KeyPair) String() string { return "[redacted]" }

// GoString hides the private half from %#v.
func (KeyPair) GoString() string { return "[redacted]" }

// SignAlgorithm is the first argument of sign and verifySignature.
type SignAlgorithm struct {
	Name string
	Hash string
	// SaltLength is used by RSA-PSS only; absent or not a number counts as 0.
	// Negative values have OpenSSL's meaning: -1 digest length, -2 and -3
	// longest possible (when verifying: whatever the signature has).
	SaltLength int64
}

// WrapAlgorithm is the last argument of wrapKey and unwrapKey.
type WrapAlgorithm struct {
	Name string
	// AESKeySize in bits, used by RSA-OAEP-AES-KWP when wrapping.
	AESKeySize int64
	// Label is the OAEP label; nil when absent or not an ArrayBuffer.
	Label []byte
}

// KeyForm names which of the six conversion pairs is meant. The zero value is
// no form.
type KeyForm uint8

// Each form serves one pair of JavaScript functions.
const (
	ECPublic     KeyForm = iota + 1 // pubPemToJwk, pubJwkToPem
	ECPrivate                       // pemToJwk, jwkToPem
	RSAPublic                       // pubRsaPemToJwk, pubRsaJwkToPem
	RSAPrivate                      // rsaPemToJwk, rsaJwkToPem
	EdDSAPublic                     // pubEddsaPemToJwk, pubEddsaJwkToPem
	EdDSAPrivate                    // eddsaPemToJwk, eddsaJwkToPem
)

// TCBPolicy is the answer of tcbHexToPolicy. Fields that the processor family
// does not have are nil and must be left out of the object. Property order in
// JavaScript: hexstring, microcode, snp, tee, boot_loader, fmc.
type TCBPolicy struct {
	Hexstring  string `json:"hexstring"`
	Microcode  *uint8 `json:"microcode,omitempty"`
	SNP        *uint8 `json:"snp,omitempty"`
	TEE        *uint8 `json:"tee,omitempty"`
	BootLoader *uint8 `json:"boot_loader,omitempty"`
	FMC        *uint8 `json:"fmc,omitempty"`
}

// Kind is the JavaScript error class an Error asks for.
type Kind uint8

// The classes that CCF's crypto functions throw.
const (
	TypeError Kind = iota + 1
	RangeError
	InternalError
	// HostError marks failures that CCF raises as a C++ exception instead of a
	// JavaScript one: the script cannot catch them and the request ends with
	// 500 InternalError and Message as its text (corrections F64).
	HostError
)

// String is the class name as JavaScript prints it.
func (k Kind) String() string {
	switch k {
	case TypeError:
		return "TypeError"
	case RangeError:
		return "RangeError"
	case HostError:
		return "HostError"
	default:
		return "InternalError"
	}
}

// Error is the only error type of this package: a class and the exact text.
type Error struct {
	Kind    Kind
	Message string
}

// Error prints the class and the text as an engine does.
func (e *Error) Error() string { return e.Kind.String() + ": " + e.Message }

func rangeErrorf(format string, args ...any) error {
	return &Error{Kind: RangeError, Message: fmt.Sprintf(format, args...)}
}

func internalErrorf(format string, args ...any) error {
	return &Error{Kind: InternalError, Message: fmt.Sprintf(format, args...)}
}

func hostErrorf(format string, args ...any) error {
	return &Error{Kind: HostError, Message: fmt.Sprintf(format, args...)}
}
