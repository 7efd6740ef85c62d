package api

import (
	"crypto/rand"
	"io"
	"time"

	"concordat/js-apps/jscrypto"
	"concordat/js-apps/runtime"
)

// wantCryptoBuffer is the engine's own text, which CCF's crypto functions pass on.
const wantCryptoBuffer = "ArrayBuffer object expected"

// Names of arguments and results of ccf.crypto.
var (
	nameCrypto     = runtime.NewName("crypto")
	nameName       = runtime.NewName("name")
	nameHash       = runtime.NewName("hash")
	nameSaltLength = runtime.NewName("saltLength")
	nameAESKeySize = runtime.NewName("aesKeySize")
	nameLabel      = runtime.NewName("label")
	namePrivateKey = runtime.NewName("privateKey")
	namePublicKey  = runtime.NewName("publicKey")
)

var cryptoFunctions = []function{
	fn("sign", 3, exactly(3, impurely(cryptoSign))),
	fn("verifySignature", 4, exactly(4, cryptoVerify)),
	fn("pubPemToJwk", 1, pemToJWK(jscrypto.ECPublic)),
	fn("pemToJwk", 1, pemToJWK(jscrypto.ECPrivate)),
	fn("pubRsaPemToJwk", 1, pemToJWK(jscrypto.RSAPublic)),
	fn("rsaPemToJwk", 1, pemToJWK(jscrypto.RSAPrivate)),
	fn("pubEddsaPemToJwk", 1, pemToJWK(jscrypto.EdDSAPublic)),
	fn("eddsaPemToJwk", 1, pemToJWK(jscrypto.EdDSAPrivate)),
	fn("pubJwkToPem", 1, jwkToPEM(jscrypto.ECPublic)),
	fn("jwkToPem", 1, jwkToPEM(jscrypto.ECPrivate)),
	fn("pubRsaJwkToPem", 1, jwkToPEM(jscrypto.RSAPublic)),
	fn("rsaJwkToPem", 1, jwkToPEM(jscrypto.RSAPrivate)),
	fn("pubEddsaJwkToPem", 1, jwkToPEM(jscrypto.EdDSAPublic)),
	fn("eddsaJwkToPem", 1, jwkToPEM(jscrypto.EdDSAPrivate)),
	fn("generateAesKey", 1, exactly(1, impurely(generateAES))),
	fn("generateRsaKeyPair", 1, oneOrTwo(impurely(generateRSA))),
	fn("generateEcdsaKeyPair", 1, exactly(1, impurely(generatePair(jscrypto.GenerateECDSAKeyPair)))),
	fn("generateEddsaKeyPair", 1, exactly(1, impurely(generatePair(jscrypto.GenerateEdDSAKeyPair)))),
	fn("wrapKey", 3, exactly(3, impurely(wrapKey))),
	fn("unwrapKey", 3, exactly(3, unwrapKey)),
	fn("digest", 2, exactly(2, cryptoDigest)),
	fn("isValidX509CertBundle", 1, exactly(1, validBundle)),
	fn("isValidX509CertChain", 2, exactly(2, impurely(validChain))),
}

// oneOrTwo refuses other numbers of arguments.
func oneOrTwo(f runtime.HostFunc) runtime.HostFunc {
	return func(i *runtime.Isolate, this runtime.Value, args []runtime.Value) runtime.Value {
		if n := len(args); n != 1 && n != 2 {
			return i.Throw(runtime.TypeError, "Passed "+itoa(n)+" arguments, but expected 1 or 2")
		}
		return f(i, this, args)
	}
}

// bytesOf is a copy of a buffer argument; !ok means that the refusal is pending.
// It is a copy because later arguments may run script code.
func bytesOf(i *runtime.Isolate, v runtime.Value) ([]byte, bool) {
	b, ok := i.Buffer(v)
	if !ok {
		i.Throw(runtime.TypeError, wantCryptoBuffer)
		return nil, false
	}
	return append([]byte{}, b...), true
}

// field is ToString of a property.
func field(i *runtime.Isolate, obj runtime.Value, name runtime.Name) (string, bool) {
	v := i.Get(obj, name)
	defer i.Free(v)
	if v.IsException() {
		return "", false
	}
	return cText(i, v)
}

// number is a property that is a number, and 0 for anything else.
func number(i *runtime.Isolate, obj runtime.Value, name runtime.Name) (int64, bool) {
	v := i.Get(obj, name)
	defer i.Free(v)
	switch {
	case v.IsException():
		return 0, false
	case i.TypeOf(v) != "number":
		return 0, true
	}
	return i.ToInt64(v)
}

func signAlgorithm(i *runtime.Isolate, v runtime.Value) (alg jscrypto.SignAlgorithm, ok bool) {
	if alg.Name, ok = field(i, v, nameName); !ok {
		return alg, false
	}
	if alg.Hash, ok = field(i, v, nameHash); !ok {
		return alg, false
	}
	alg.SaltLength, ok = number(i, v, nameSaltLength)
	return alg, ok
}

func cryptoSign(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	in := arguments{i: i, values: args}
	alg, key, data := take(&in, 0, signAlgorithm), in.text(1), in.bytes(2)
	if in.failed {
		return runtime.Exception
	}
	return bufferOr(i)(jscrypto.Sign(rand.Reader, alg, key, data))
}

// bufferOr turns a result of package jscrypto into an ArrayBuffer or a throw.
func bufferOr(i *runtime.Isolate) func([]byte, error) runtime.Value {
	return func(b []byte, err error) runtime.Value {
		if err != nil {
			return throwCrypto(i, err)
		}
		return i.NewBuffer(b)
	}
}

func cryptoVerify(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	in := arguments{i: i, values: args}
	alg, key, signature, data := take(&in, 0, signAlgorithm), in.text(1), in.bytes(2), in.bytes(3)
	if in.failed {
		return runtime.Exception
	}
	good, err := jscrypto.VerifySignature(alg, key, signature, data)
	if err != nil {
		return throwCrypto(i, err)
	}
	return runtime.Bool(good)
}

func cryptoDigest(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	alg, ok := cText(i, args[0])
	if !ok {
		return runtime.Exception
	}
	data, ok := i.Buffer(args[1])
	if !ok {
		return i.Throw(runtime.TypeError, wantCryptoBuffer)
	}
	return bufferOr(i)(jscrypto.Digest(alg, data))
}

// pemToJWK serves one of the six conversions; a kid that is given is stringified,
// even if it is undefined.
func pemToJWK(form jscrypto.KeyForm) runtime.HostFunc {
	return oneOrTwo(func(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
		in := arguments{i: i, values: args}
		pem, kid := in.text(0), (*string)(nil)
		if len(args) == 2 {
			text := in.text(1)
			kid = &text
		}
		if in.failed {
			return runtime.Exception
		}
		jwk, err := jscrypto.PEMToJWK(form, pem, kid)
		if err != nil {
			return throwCrypto(i, err)
		}
		return i.ParseJSON(jwk, "<jwk>")
	})
}

// jwkToPEM serves one of the six conversions; what has no JSON gives "", as every
// other bad input does.
func jwkToPEM(form jscrypto.KeyForm) runtime.HostFunc {
	return exactly(1, func(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
		jwk, ok := jsonOf(i, args[0])
		if !ok {
			i.DropException()
		}
		return i.String(jscrypto.JWKToPEM(form, jwk))
	})
}

// jsonOf is JSON.stringify(v), nil for what has no JSON; !ok means that an
// exception is pending.
func jsonOf(i *runtime.Isolate, v runtime.Value) ([]byte, bool) {
	s := i.Stringify(v)
	defer i.Free(s)
	if s.IsException() {
		return nil, false
	}
	if !s.IsString() {
		return nil, true
	}
	return i.AppendText(nil, s)
}

func generateAES(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	bits, ok := i.ToInt32(args[0])
	if !ok {
		return runtime.Exception
	}
	return bufferOr(i)(jscrypto.GenerateAESKey(rand.Reader, int64(bits)))
}

func generateRSA(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	in := arguments{i: i, values: args}
	bits, exponent := take(&in, 0, (*runtime.Isolate).ToInt32), int32(0)
	if len(args) == 2 {
		exponent = take(&in, 1, (*runtime.Isolate).ToInt32)
	}
	if in.failed {
		return runtime.Exception
	}
	return pairOr(i)(jscrypto.GenerateRSAKeyPair(rand.Reader, int64(bits), int64(exponent)))
}

// generatePair serves the generators that take the name of a curve.
func generatePair(generate func(io.Reader, string) (jscrypto.KeyPair, error)) runtime.HostFunc {
	return func(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
		curve, ok := cText(i, args[0])
		if !ok {
			return runtime.Exception
		}
		return pairOr(i)(generate(rand.Reader, curve))
	}
}

func pairOr(i *runtime.Isolate) func(jscrypto.KeyPair, error) runtime.Value {
	return func(p jscrypto.KeyPair, err error) runtime.Value {
		if err != nil {
			return throwCrypto(i, err)
		}
		obj := i.NewObject()
		i.Set(obj, namePrivateKey, i.String(p.PrivateKey))
		i.Set(obj, namePublicKey, i.String(p.PublicKey))
		return obj
	}
}

func wrapAlgorithm(i *runtime.Isolate, v runtime.Value) (alg jscrypto.WrapAlgorithm, ok bool) {
	if alg.Name, ok = field(i, v, nameName); !ok {
		return alg, false
	}
	if alg.AESKeySize, ok = number(i, v, nameAESKeySize); !ok {
		return alg, false
	}
	label := i.Get(v, nameLabel)
	defer i.Free(label)
	if label.IsException() {
		return alg, false
	}
	if b, ok := i.Buffer(label); ok {
		alg.Label = append([]byte{}, b...)
	}
	return alg, true
}

func wrapKey(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	in := arguments{i: i, values: args}
	key, wrapping, alg := in.bytes(0), in.bytes(1), take(&in, 2, wrapAlgorithm)
	if in.failed {
		return runtime.Exception
	}
	return bufferOr(i)(jscrypto.WrapKey(rand.Reader, key, wrapping, alg))
}

func unwrapKey(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	in := arguments{i: i, values: args}
	key, wrapping, alg := in.bytes(0), in.bytes(1), take(&in, 2, wrapAlgorithm)
	if in.failed {
		return runtime.Exception
	}
	return bufferOr(i)(jscrypto.UnwrapKey(key, wrapping, alg))
}

func validBundle(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	text, ok := cText(i, args[0])
	if !ok {
		return runtime.Exception
	}
	return runtime.Bool(jscrypto.IsValidX509CertBundle(text))
}

func validChain(i *runtime.Isolate, _ runtime.Value, args []runtime.Value) runtime.Value {
	in := arguments{i: i, values: args}
	chain, trusted := in.text(0), in.text(1)
	if in.failed {
		return runtime.Exception
	}
	return runtime.Bool(jscrypto.IsValidX509CertChain(chain, trusted, time.Now()))
}
