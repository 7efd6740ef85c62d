package jscrypto

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
