package audit

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"

	"concordat/ledger"
	"concordat/ledger/cose"
	"concordat/ledger/keys"
)

// serviceState is the service as the ledger describes it so far.
type serviceState struct {
	cert     *x509.Certificate
	text     string // PEM as written
	status   string
	create   string // TxID of the transaction that started it
	count    uint64
	started  ledger.Seqno // where the current identity began
	identity *identityRow // the newest endorsement
	written  ledger.Seqno // where that is
	// lastRoot is the root that the service before it signed last.
	lastRoot ledger.Digest
}

type serviceInfo struct {
	Cert     string  `json:"cert"`
	Status   string  `json:"status"`
	Create   string  `json:"current_service_create_txid"`
	Count    uint64  `json:"recovery_count"`
	Previous *uint64 `json:"previous_service_identity_version"`
}

// States of a service.
const (
	opening    = "Opening"
	open       = "Open"
	waiting    = "WaitingForRecoveryShares"
	recovering = "Recovering"
)

// moves lists the states a service may go to, besides staying where it is.
var moves = map[string][]string{
	"":         {opening, open, waiting, recovering},
	opening:    {open, waiting, recovering},
	recovering: {waiting, recovering},
	waiting:    {open, recovering},
	open:       {recovering},
}

func (s *serviceState) created(seqno ledger.Seqno) bool { return s.started == seqno }

func (s *serviceState) key() *ecdsa.PublicKey {
	if s.cert == nil {
		return nil
	}
	return publicKey(s.cert)
}

func publicKey(cert *x509.Certificate) *ecdsa.PublicKey {
	pub, _ := cert.PublicKey.(*ecdsa.PublicKey)
	return pub
}

// serviceTables follows the service through its life.
func (c *checker) serviceTables(e *ledger.Entry) {
	ws := e.Public.Writes
	var info serviceInfo
	if c.row(ws, serviceInfoTable, &info) {
		c.serviceInfo(ws, info)
	}
	c.identityTables(ws)
}

func (c *checker) serviceInfo(ws ledger.WriteSet, info serviceInfo) {
	s := &c.service
	cert, err := keys.ParseCertPEM([]byte(info.Cert))
	if err != nil {
		c.invalid("the certificate in %s: %v", serviceInfoTable, err)
		return
	}
	if _, err := keys.CertKey(cert); err != nil {
		c.invalid("the certificate in %s: %v", serviceInfoTable, err)
		return
	}
	if info.Status != s.status && !contains(moves[s.status], info.Status) {
		c.invalid("the service goes from %s to %.40q", s.status, info.Status)
	}
	sameKey := s.cert != nil && bytes.Equal(s.cert.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo)
	switch {
	case s.cert == nil:
		c.firstService(info)
	case !sameKey && info.Status == recovering:
		c.recovery(ws, info)
	case !sameKey:
		c.invalid("the service changes its key without a recovery")
	case info.Create != s.create || info.Count != s.count:
		c.invalid("%s names another start of the same service", serviceInfoTable)
	}
	if !sameKey {
		s.started, s.create, s.count = c.id.Seqno, info.Create, info.Count
		c.report.Services++
	}
	s.cert, s.text, s.status = cert, trimPEM(info.Cert), info.Status
}

func (c *checker) firstService(info serviceInfo) {
	if c.partial {
		return
	}
	if info.Create != "" && info.Create != c.id.String() {
		c.invalid("the service says it was created by %.40s", info.Create)
	}
	if info.Status != opening && c.id.Seqno == 1 {
		c.odd("the first service begins in state %.40q", info.Status)
	}
}

// recovery checks the first transaction of a recovered service: it follows a
// signature, names the service before it, and repeats the root that one signed
// last.
func (c *checker) recovery(ws ledger.WriteSet, info serviceInfo) {
	s := &c.service
	if info.Create != "" && info.Create != c.id.String() {
		c.invalid("the recovered service says it was created by %.40s", info.Create)
	}
	if info.Create != "" && info.Count != s.count+1 && s.create != "" {
		c.invalid("recovery number %d follows recovery number %d", info.Count, s.count)
	}
	if !c.previous.signature {
		c.invalid("a recovered service begins behind an entry that is not a signature")
	}
	var text string
	if c.row(ws, previousIdentityTable, &text) {
		if trimPEM(text) != s.text {
			c.invalid("%s is not the certificate of the service before", previousIdentityTable)
		}
	} else {
		c.odd("the recovered service does not name the service before it")
	}
	s.lastRoot = ledger.Digest{}
	if c.signed != nil {
		s.lastRoot = c.signed.root
	}
	if c.row(ws, lastSignedRootTable, &text) && text != s.lastRoot.Hex() {
		c.invalid("%s is %.64s, the service before last signed %s", lastSignedRootTable, text, s.lastRoot.Hex())
	}
}

// identityRow is the row of identityTable.
type identityRow struct {
	Endorsement string  `json:"endorsement"`
	Begin       string  `json:"endorsement_epoch_begin"`
	End         string  `json:"endorsement_epoch_end"`
	Key         string  `json:"endorsing_key"`
	Previous    *uint64 `json:"previous_version"`
}

// identityTables checks that the current service endorses the one before it.
func (c *checker) identityTables(ws ledger.WriteSet) {
	var row identityRow
	if !c.row(ws, identityTable, &row) {
		return
	}
	c.report.Identities++
	s := &c.service
	old := s.identity
	was := s.written
	s.identity, s.written = &row, c.id.Seqno
	message, err := strictBase64.DecodeString(row.Endorsement)
	if err != nil {
		c.invalid("the identity endorsement is not base64")
		return
	}
	id, err := cose.ParseIdentity(message)
	if err != nil {
		c.invalid("%v", err)
		return
	}
	key, err := strictBase64.DecodeString(row.Key)
	if err != nil || s.cert == nil || !bytes.Equal(key, s.cert.RawSubjectPublicKeyInfo) {
		c.invalid("the identity endorsement is not by the service")
		return
	}
	end := ""
	if !id.End.IsZero() {
		end = id.End.String()
	}
	switch {
	case id.Verify(s.key()) != nil:
		c.invalid("the identity endorsement does not verify with the service key")
	case !id.Exact(message):
		c.invalid("the identity endorsement is not written as a service writes it")
	case row.Begin != id.Start.String() || row.End != end:
		c.invalid("the identity endorsement is for %v to %s, its row says %.40s to %.40s", id.Start, end, row.Begin, row.End)
	case old == nil && c.partial:
	case old == nil:
		c.firstIdentity(id, row)
	default:
		c.nextIdentity(id, row, old, was)
	}
}

// firstIdentity checks the self-endorsement a ledger begins with.
func (c *checker) firstIdentity(id *cose.Identity, row identityRow) {
	if !bytes.Equal(id.Key, c.service.cert.RawSubjectPublicKeyInfo) || !id.End.IsZero() || row.Previous != nil {
		c.invalid("the first identity endorsement is not of the service itself")
	}
	if c.service.create != "" && row.Begin != c.service.create {
		c.invalid("the first identity endorsement begins at %.40s, the service at %s", row.Begin, c.service.create)
	}
}

// nextIdentity checks a link of the chain: it endorses the key that signed the
// link before, for the stretch from that service's start to the recovery.
func (c *checker) nextIdentity(id *cose.Identity, row identityRow, old *identityRow, was ledger.Seqno) {
	if row.Previous == nil || *row.Previous != was {
		c.invalid("the identity endorsement does not point to the one before it, at %d", was)
	}
	if key, err := strictBase64.DecodeString(old.Key); err != nil || !bytes.Equal(id.Key, key) {
		c.invalid("the identity endorsement is not of the key that made the one before it")
	}
	if old.Key == row.Key {
		c.odd("the service endorsed its predecessor twice: two primaries opened it")
		return
	}
	begin := old.Begin
	if old.End != "" {
		begin = shift(old.End, 2, 1)
	}
	if row.Begin != begin {
		c.invalid("the identity endorsement begins at %.40s instead of %s", row.Begin, begin)
	}
	if want := shift(c.service.create, -2, -1); row.End != want {
		c.invalid("the identity endorsement ends at %.40s instead of %s", row.End, want)
	}
	if id.EndRoot != c.service.lastRoot {
		c.invalid("the identity endorsement ends with root %s, the service before last signed %s", id.EndRoot.Hex(), c.service.lastRoot.Hex())
	}
}

// shift moves a transaction id, as services do when they reckon from one epoch
// to the next.
func shift(id string, views, seqnos int64) string {
	t, err := ledger.ParseTxID(id)
	if err != nil {
		return ""
	}
	return ledger.TxID{View: uint64(int64(t.View) + views), Seqno: uint64(int64(t.Seqno) + seqnos)}.String()
}

// serviceConclusion compares the last service with the one the auditor trusts.
func (c *checker) serviceConclusion() {
	s := &c.service
	if s.cert == nil && c.partial && c.trusted != nil {
		s.cert, s.text = c.trusted, string(keys.CertPEM(c.trusted.Raw))
	}
	if s.cert == nil {
		if c.report.Entries > 0 {
			c.invalid("the ledger names no service")
		}
		return
	}
	c.report.Service = Service{Cert: s.text, KeyID: keys.CertKeyID(s.cert), Status: s.status, CreateTxID: s.create, RecoveryCount: s.count}
	if c.trusted == nil {
		c.report.add(Finding{File: c.at.file.name, Text: "no service certificate was given: the ledger is only checked against itself"})
		return
	}
	if !bytes.Equal(c.trusted.RawSubjectPublicKeyInfo, s.cert.RawSubjectPublicKeyInfo) {
		c.invalid("the ledger is of service %s, the certificate given is of service %s", keys.CertKeyID(s.cert), keys.CertKeyID(c.trusted))
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
