// Package api is what JavaScript sees of the service: the global `ccf` and its
// parts, console, snp_attestation, the request handed to a handler and the
// response it returns.
//
// Apps runs application endpoints, Scripts runs governance scripts. Both take a
// Host that says what this one call may reach; the package itself knows no
// clock but the interpreter's own, no network and no file.
package api
