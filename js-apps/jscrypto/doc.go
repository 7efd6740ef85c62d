// Package jscrypto holds the cryptography behind the ccf.crypto object (and
// ccf.pemToId, ccf.tcbHexToPolicy) as plain Go functions. It knows nothing of
// the JavaScript engine: the binding in js-apps/api checks argument counts and
// buffer types, converts values, and throws what these functions return.
//
// Conventions for the binding:
//
//   - Every error is an *Error; Kind is the JavaScript class to throw and
//     Message its exact text. Texts are those a CCF 7 node gives up to the
//     words "OpenSSL error:"; what follows them is a free explanation.
//   - Keys that are text in JavaScript are Go strings; ArrayBuffers are []byte.
//     A key text is used whole: cutting at NUL, if wanted, is the binding's.
//   - Algorithm objects arrive as small structs whose string fields hold the
//     property's ToString ("undefined" and "" are both simply unknown names).
//   - Randomness and the clock are arguments, so that callers own them. Key
//     generation by the standard library draws from the system's generator.
//   - JWKs cross as JSON text (JSON.stringify of the argument in, JSON.parse of
//     the result out); a nil input stands for a value that has no JSON text.
//
// Which function serves which JavaScript call:
//
//	generateAesKey         GenerateAESKey        wrapKey               WrapKey
//	generateRsaKeyPair     GenerateRSAKeyPair    unwrapKey             UnwrapKey
//	generateEcdsaKeyPair   GenerateECDSAKeyPair  isValidX509CertBundle IsValidX509CertBundle
//	generateEddsaKeyPair   GenerateEdDSAKeyPair  isValidX509CertChain  IsValidX509CertChain
//	sign                   Sign                  pubPemToJwk … (6)     PEMToJWK(KeyForm, …)
//	verifySignature        VerifySignature       pubJwkToPem … (6)     JWKToPEM(KeyForm, …)
//	digest                 Digest                ccf.pemToId           PEMToID
//	                                             ccf.tcbHexToPolicy    TCBHexToPolicy
package jscrypto
