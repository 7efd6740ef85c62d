// Package jwk keeps the signing keys of JWT issuers: the three table layouts
// they may be stored in, the look-up of the keys for a token's kid, and the
// import of a JSON Web Key Set as governance does it. It is pure: tables come
// in through a small interface, changes go out as values.
//
// governance applies the changes of Import and Remove (they stand behind
// ccf.setJwtPublicSigningKeys and ccf.removeJwtPublicSigningKeys, and behind
// the automatic refresh); node/frontend/jwt checks tokens with Lookup.
package jwk
