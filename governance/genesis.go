package governance

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/jsondoc"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
)

// GenesisID is the transaction that creates a service: a fresh service runs in
// view 2.
var GenesisID = ledger.TxID{View: 2, Seqno: 1}

// FoundingMember is a member the service starts with.
type FoundingMember struct {
	Name          string // where it comes from, for messages
	CertPEM       string
	EncryptionKey string // RSA public key as PEM, or ""
	Data          jsondoc.Opaque
	Role          tables.RecoveryRole // "" unless stated
}

// Trust is the code that may join, from the first node's own attestation.
type Trust struct {
	// VirtualMeasurement and VirtualHostData are of the virtual platform.
	VirtualMeasurement, VirtualHostData string
	// SNPMeasurement is left out when UVM endorsements stand for it.
	SNPMeasurement string
	// SNPHostData is the digest of SNPPolicy, the security policy or "".
	SNPHostData, SNPPolicy string
	// UVM maps a DID to its feeds.
	UVM map[string]map[string]tables.UVMFeed
	// TCB maps a CPUID to the least acceptable version.
	TCB map[string]tables.TCBVersion
}

// Genesis is everything the first entry of a service says.
type Genesis struct {
	Members      []FoundingMember
	Constitution string
	Config       tables.ServiceConfig
	ServiceCert  string
	ServiceData  jsondoc.Opaque
	NodeID       string
	Node         tables.NodeInfo
	EndorsedCert string
	Trust        Trust
}

// Check looks at the founding configuration without writing anything. Its errors
// are about what the operator configured.
func (g *Genesis) Check() error {
	if strings.TrimSpace(g.Constitution) == "" {
		return errors.New("a service needs a constitution: none of the constitution files has any text (`concordat gov constitution` prints the default)")
	}
	seen := map[string]bool{}
	for i := range g.Members {
		m := &g.Members[i]
		id, err := m.check()
		if err != nil {
			return err
		}
		if seen[id] {
			return fmt.Errorf("member %s: another member has the same certificate: name each member once", m.Name)
		}
		seen[id] = true
	}
	_, err := g.config()
	return err
}

// Write checks the founding configuration and writes it.
func (g *Genesis) Write(tx *kv.Tx) error {
	if err := g.Check(); err != nil {
		return err
	}
	for i := range g.Members {
		if err := g.Members[i].write(tx); err != nil {
			return err
		}
	}
	config, err := g.config()
	if err != nil {
		return err
	}
	if err := tables.ConstitutionText.Put(tx, g.Constitution); err != nil {
		return err
	}
	if err := tables.Config.Put(tx, config); err != nil {
		return err
	}
	if err := g.writeNode(tx); err != nil {
		return err
	}
	if err := g.Trust.write(tx); err != nil {
		return err
	}
	return tables.Service.Put(tx, tables.ServiceInfo{
		Cert:                     g.ServiceCert,
		CurrentServiceCreateTxID: GenesisID.String(),
		RecoveryCount:            new(uint64),
		ServiceData:              g.ServiceData,
		Status:                   tables.ServiceOpening,
	})
}

// check returns the member's id.
func (m *FoundingMember) check() (string, error) {
	cert, err := keys.ParseCertPEM([]byte(m.CertPEM))
	if err == nil {
		_, err = keys.CertKey(cert)
	}
	if err != nil {
		return "", fmt.Errorf("member %s: certificate: %w: ask the member for the PEM certificate of an EC key (`concordat keygen` makes one)", m.Name, err)
	}
	return keys.CertID(cert.Raw), m.checkRole()
}

func (m *FoundingMember) write(tx *kv.Tx) error {
	id, err := m.check()
	if err != nil {
		return err
	}
	tables.MemberCerts.Put(tx, id, []byte(m.CertPEM))
	if m.EncryptionKey != "" {
		tables.MemberKeys.Put(tx, id, []byte(m.EncryptionKey))
	}
	info := tables.MemberInfo{MemberData: m.Data, RecoveryRole: m.Role, Status: tables.MemberAccepted}
	if err := tables.Members.Put(tx, id, info); err != nil {
		return fmt.Errorf("member %s: data: %w", m.Name, err)
	}
	return tables.MemberAcks.Put(tx, id, tables.MemberAck{})
}

// checkRole refuses a role that contradicts the presence of an encryption key.
func (m *FoundingMember) checkRole() error {
	if m.EncryptionKey == "" {
		if m.Role != "" && m.Role != tables.NonParticipant {
			return fmt.Errorf("member %s: a recovery role of %s needs an encryption public key: name one, or leave the role out", m.Name, m.Role)
		}
		return nil
	}
	if _, err := keys.ParseEncryptionPublicPEM([]byte(m.EncryptionKey)); err != nil {
		return fmt.Errorf("member %s: encryption public key: %w: ask the member for the PEM public key of an RSA pair (`concordat keygen --enc-key` makes one)", m.Name, err)
	}
	switch m.Role {
	case "", tables.Participant, tables.Owner:
		return nil
	}
	return fmt.Errorf("member %s: with an encryption public key the recovery role must be Participant or Owner, not %s", m.Name, m.Role)
}

// config completes the recovery threshold: all participants unless stated.
func (g *Genesis) config() (tables.ServiceConfig, error) {
	participants, owners := uint64(0), uint64(0)
	for _, m := range g.Members {
		switch (tables.MemberInfo{RecoveryRole: m.Role}).EffectiveRole(m.EncryptionKey != "") {
		case tables.Participant:
			participants++
		case tables.Owner:
			owners++
		}
	}
	c := g.Config
	most := participants
	if participants == 0 && owners > 0 {
		most = 1
	}
	if c.RecoveryThreshold > most {
		return c, fmt.Errorf("the recovery threshold (%d) cannot be met: the service starts with %d recovery participants and %d recovery owners: lower it, or give more members an encryption public key",
			c.RecoveryThreshold, participants, owners)
	}
	if c.RecoveryThreshold == 0 {
		c.RecoveryThreshold = most
	}
	return c, nil
}

func (g *Genesis) writeNode(tx *kv.Tx) error {
	tables.EndorsedCerts.Put(tx, g.NodeID, []byte(g.EndorsedCert))
	return tables.Nodes.Put(tx, g.NodeID, g.Node)
}

func (t *Trust) write(tx *kv.Tx) error {
	if t.VirtualMeasurement != "" {
		if err := tables.VirtualMeasure.Put(tx, t.VirtualMeasurement, tables.AllowedToJoin); err != nil {
			return err
		}
	}
	if t.VirtualHostData != "" {
		tables.VirtualHosts.Put(tx, t.VirtualHostData, tables.Z8)
	}
	if t.SNPMeasurement != "" {
		if err := tables.SNPMeasure.Put(tx, t.SNPMeasurement, tables.AllowedToJoin); err != nil {
			return err
		}
	}
	if err := t.writeSNPHost(tx); err != nil {
		return err
	}
	for did, feeds := range t.UVM {
		if err := tables.SNPUVM.Put(tx, did, feeds); err != nil {
			return err
		}
	}
	for cpuid, version := range t.TCB {
		if err := tables.SNPTCB.Put(tx, cpuid, version); err != nil {
			return err
		}
	}
	return nil
}

func (t *Trust) writeSNPHost(tx *kv.Tx) error {
	if t.SNPHostData == "" {
		return nil
	}
	if digest := sha256.Sum256([]byte(t.SNPPolicy)); t.SNPPolicy != "" && hex.EncodeToString(digest[:]) != t.SNPHostData {
		return errors.New("the security policy is not the one this node's report names as its host data")
	}
	return tables.SNPHosts.Put(tx, t.SNPHostData, t.SNPPolicy)
}
