// Package jwt checks bearer tokens as CCF 7 does: which failure is 401, 400 or
// 500, and the exact texts clients compare (http-api §5.1 with corrections).
//
// The check is pure: the authorization header's value, the key tables and the
// time come in, an Identity or a *Failure goes out. Signature primitives are
// those of golang-jwt; its claim checks are not used because CCF's differ: no
// leeway, nbf optional, several keys per kid, issuer constraints instead of an
// expected issuer, and an algorithm that follows the key, not the header.
package jwt
