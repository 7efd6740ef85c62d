package node

import (
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"concordat/governance"
	"concordat/governance/tables"
	"concordat/ledger/jsondoc"
	"concordat/ledger/keys"
	"concordat/node/attest"
	"concordat/node/config"
	"concordat/node/frontend"
)

// Options are what a node is made of beside its configuration file.
type Options struct {
	Config   *config.Node
	Dir      string // relative paths of the configuration start here
	Platform attest.Provider
	Log      *slog.Logger
	Now      func() time.Time
	Random   io.Reader
	Version  string
	// AppEndpoints are native endpoints beside the JavaScript application's.
	AppEndpoints []frontend.Endpoint
}

// path resolves a path of the configuration.
func (o *Options) path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(o.Dir, name)
}

func (o *Options) read(what, name, remedy string) ([]byte, error) {
	b, err := os.ReadFile(o.path(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", what, err, remedy)
	}
	return b, nil
}

// What to do about a file that cannot be read.
const (
	remedyFile         = "name a file that this node can read"
	remedyConstitution = "name a file that this node can read (`concordat gov constitution` prints the default)"
	remedyMember       = "name a file that this node can read (members make theirs with `concordat keygen`)"
)

// readJSON reads an optional file that must hold one JSON value.
func (o *Options) readJSON(what, name string) (jsondoc.Opaque, error) {
	if name == "" {
		return nil, nil
	}
	b, err := o.read(what, name, remedyFile)
	if err != nil {
		return nil, err
	}
	if !json.Valid(b) {
		return nil, fmt.Errorf("%s: %s is not valid JSON: it must hold one JSON value", what, name)
	}
	return jsondoc.Canonical(b)
}

// curve is the curve of the node's and the service's key.
func (o *Options) curve() elliptic.Curve {
	if o.Config.NodeCertificate.Curve == "Secp256R1" {
		return elliptic.P256()
	}
	return elliptic.P384()
}

// identity collects what shapes the certificates.
func (o *Options) identity(published map[string]string) (identityOptions, error) {
	c := o.Config
	if _, err := keys.ParseSubject(c.NodeCertificate.Subject); err != nil {
		return identityOptions{}, fmt.Errorf("node_certificate.subject_name: %w", err)
	}
	if _, err := keys.ParseSubject(c.Command.Start.ServiceSubject); err != nil {
		return identityOptions{}, fmt.Errorf("command.start.service_subject_name: %w", err)
	}
	sans, err := o.sans(published)
	return identityOptions{
		curve: o.curve(), nodeSubject: c.NodeCertificate.Subject, sans: sans, nodeDays: int(c.NodeCertificate.Days),
		serviceSubject: c.Command.Start.ServiceSubject, serviceDays: int(c.Command.Start.CertDays),
	}, err
}

// sans are the configured names, or the hosts of all published addresses.
func (o *Options) sans(published map[string]string) ([]keys.SAN, error) {
	var list []keys.SAN
	for _, text := range o.Config.NodeCertificate.SANs {
		s, err := keys.ParseSAN(text)
		if err != nil {
			return nil, fmt.Errorf("node_certificate.subject_alt_names: %w", err)
		}
		list = append(list, s)
	}
	if len(list) > 0 {
		return list, nil
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(published)) {
		host, _, err := net.SplitHostPort(published[name])
		if err == nil && !seen[host] {
			seen[host] = true
			list = append(list, keys.HostSAN(host))
		}
	}
	return list, nil
}

// constitution joins the configured files, with one line end between them.
func (o *Options) constitution() (string, error) {
	var texts []string
	for _, name := range o.Config.Command.Start.Constitution {
		b, err := o.read("command.start.constitution_files", name, remedyConstitution)
		if err != nil {
			return "", err
		}
		texts = append(texts, string(b))
	}
	return strings.Join(texts, "\n"), nil
}

// members reads what the service starts with.
func (o *Options) members() ([]governance.FoundingMember, error) {
	var list []governance.FoundingMember
	for i, m := range o.Config.Command.Start.Members {
		what := fmt.Sprintf("command.start.members[%d]", i)
		cert, err := o.read(what+".certificate_file", m.Cert, remedyMember)
		if err != nil {
			return nil, err
		}
		f := governance.FoundingMember{Name: m.Cert, CertPEM: string(cert)}
		if m.EncryptionKey != "" {
			key, err := o.read(what+".encryption_public_key_file", m.EncryptionKey, remedyMember)
			if err != nil {
				return nil, err
			}
			// As in CCF, a role without a key in the file is not looked at.
			f.EncryptionKey, f.Role = string(key), tables.RecoveryRole(m.RecoveryRole)
		}
		if f.Data, err = o.readJSON(what+".data_json_file", m.Data); err != nil {
			return nil, err
		}
		if err := o.checkClock(what, &f); err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// clockTolerance is how far the clocks of a member's machine and of this one may
// be apart.
const clockTolerance = 5 * time.Minute

// checkClock refuses a clock that stands before a certificate was made: every
// certificate that this node then makes would be wrong too.
func (o *Options) checkClock(what string, m *governance.FoundingMember) error {
	cert, err := keys.ParseCertPEM([]byte(m.CertPEM))
	if err != nil {
		return nil // the check of the genesis says what is wrong with it
	}
	if now := o.Now(); cert.NotBefore.After(now.Add(clockTolerance)) {
		return fmt.Errorf("%s.certificate_file: %s is valid from %s, but this machine's clock says %s: set the clock, or have the member make another certificate",
			what, m.Name, cert.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// serviceConfig is the first row of the service's configuration.
func (o *Options) serviceConfig() tables.ServiceConfig {
	s := o.Config.Command.Start.Service
	c := tables.ServiceConfig{
		MaximumNodeCertificateValidityDays:    s.NodeCertDays,
		MaximumServiceCertificateValidityDays: s.ServiceCertDays,
		RecentCoseProposalsWindowSize:         s.Window,
		ReconfigurationType:                   s.Reconfiguration,
		RecoveryThreshold:                     s.Threshold,
	}
	return c
}

// Errors that end a start before anything was made.
var (
	errNotStart = errors.New("this version can only start a new service: set command.type to Start (Join and Recover come later)")
)

// check refuses what must not be guessed at.
func (o *Options) check() error {
	c := o.Config
	if c.Command.Type != "Start" {
		return errNotStart
	}
	dir := o.path(c.Ledger.Directory)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("ledger.directory: %w: name a folder that is empty or does not exist", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("the ledger directory %s already holds files: a new service starts with an empty one; move it away, or set ledger.directory to another place", dir)
	}
	if err := o.checkOutputs(); err != nil {
		return err
	}
	return o.checkPID()
}

// checkOutputs refuses places where nothing can be written, before there is a
// service whose certificate nobody gets.
func (o *Options) checkOutputs() error {
	out := o.Config.Output
	for _, f := range []struct{ what, name string }{
		{"output_files.pid_file", out.PID},
		{"output_files.node_certificate_file", out.NodeCert},
		{"command.service_certificate_file", o.Config.Command.ServiceCert},
		{"output_files.node_to_node_address_file", out.NodeAddress},
		{"output_files.rpc_addresses_file", out.RPCAddresses},
	} {
		if f.name == "" {
			continue
		}
		path := o.path(f.name)
		if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
			return fmt.Errorf("%s: %s is not in a folder that exists: make the folder, or name another file", f.what, f.name)
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return fmt.Errorf("%s: %s is a folder: name a file", f.what, f.name)
		}
	}
	return nil
}

// checkPID refuses to start beside a node that may still run here.
func (o *Options) checkPID() error {
	pid := o.path(o.Config.Output.PID)
	if pid == "" {
		return nil
	}
	if _, err := os.Stat(pid); err == nil {
		return fmt.Errorf("the PID file %s exists: another node may be running here; stop it, or remove the file if there is none", pid)
	}
	return nil
}
