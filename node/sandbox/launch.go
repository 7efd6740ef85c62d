package sandbox

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"concordat/ledger/keys"
	"concordat/node/client"
)

// Folders of a workspace, with CCF's names.
const (
	commonDir = "sandbox_common"
	nodeDir   = "sandbox_0"
)

// keyDays is the validity of the certificates made here.
const keyDays = 365

// claimWorkspace makes the workspace, or empties one that an earlier sandbox
// left; anything else in that place is not touched.
func claimWorkspace(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return os.MkdirAll(filepath.Join(dir, commonDir), 0o755)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != commonDir && e.Name() != nodeDir {
			return fmt.Errorf("workspace %s holds %s, which no sandbox made: name another --workspace", dir, e.Name())
		}
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(dir, commonDir), 0o755)
}

func (s *Sandbox) makeKeys() error {
	for i := range s.opts.Members {
		name := fmt.Sprintf("member%d", i)
		m, err := keys.NewMember(rand.Reader, name, keys.Days(time.Now(), keyDays))
		if err != nil {
			return err
		}
		files := map[string][]byte{"_cert.pem": m.Cert, "_privk.pem": m.Key, "_enc_privk.pem": m.EncryptionKey, "_enc_pubk.pem": m.EncryptionPublic}
		if err := s.write(name, files); err != nil {
			return err
		}
		member, err := client.NewMember(m.Cert, m.Key)
		if err != nil {
			return err
		}
		s.members = append(s.members, member)
	}
	for i := range s.opts.Users {
		name := fmt.Sprintf("user%d", i)
		key, cert, err := keys.NewIdentity(rand.Reader, elliptic.P384(), name, keys.Days(time.Now(), keyDays))
		if err != nil {
			return err
		}
		private, err := key.PEM()
		if err != nil {
			return err
		}
		if err := s.write(name, map[string][]byte{"_cert.pem": cert, "_privk.pem": private}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sandbox) write(name string, files map[string][]byte) error {
	for suffix, content := range files {
		if err := os.WriteFile(s.common(name+suffix), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// launch writes the node's configuration and starts the process.
func (s *Sandbox) launch() error {
	dir := filepath.Join(s.opts.Workspace, nodeDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	config, err := s.config()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, config, 0o644); err != nil {
		return err
	}
	s.cmd = exec.Command(s.opts.Binary, "node", "--config", "config.json")
	s.cmd.Dir = dir
	s.cmd.Stdout, s.cmd.Stderr = s.opts.NodeLog, s.opts.NodeLog
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("starting the node: %w", err)
	}
	go func() { // ends with the process
		s.exitErr = s.cmd.Wait()
		close(s.exited)
	}()
	return nil
}

// config is the node's configuration file; paths are relative to the node's folder.
func (s *Sandbox) config() ([]byte, error) {
	var members []any
	for i := range s.opts.Members {
		members = append(members, map[string]any{
			"certificate_file":           filepath.Join("..", commonDir, fmt.Sprintf("member%d_cert.pem", i)),
			"encryption_public_key_file": filepath.Join("..", commonDir, fmt.Sprintf("member%d_enc_pubk.pem", i)),
		})
	}
	var files []string
	for i, text := range s.opts.Constitution {
		name := fmt.Sprintf("constitution%d.js", i)
		if err := os.WriteFile(s.common(name), []byte(text), 0o644); err != nil {
			return nil, err
		}
		files = append(files, filepath.Join("..", commonDir, name))
	}
	rpc := map[string]any{"bind_address": fmt.Sprintf("127.0.0.1:%d", s.opts.Port)}
	doc := map[string]any{
		"network": map[string]any{
			"node_to_node_interface": map[string]any{"bind_address": "127.0.0.1:0"},
			"rpc_interfaces":         map[string]any{"primary_rpc_interface": rpc},
		},
		"command": map[string]any{
			"type":                     "Start",
			"service_certificate_file": filepath.Join("..", commonDir, "service_cert.pem"),
			"start": map[string]any{
				"constitution_files": files, "members": members,
				"service_configuration":                     map[string]any{"recovery_threshold": 1},
				"initial_service_certificate_validity_days": keyDays,
			},
		},
		"node_certificate":  map[string]any{"subject_alt_names": []string{"iPAddress:127.0.0.1", "dNSName:localhost"}, "initial_validity_days": keyDays},
		"ledger_signatures": map[string]any{"delay": s.opts.SignatureDelay},
		"output_files":      map[string]any{"pid_file": "node.pid", "rpc_addresses_file": "rpc_addresses.json"},
	}
	return json.MarshalIndent(doc, "", "  ")
}

// connect waits for the node's addresses and certificate, then for governance.
func (s *Sandbox) connect(ctx context.Context) error {
	s.opts.Progress("starting the node")
	var addresses map[string]string
	err := s.until(ctx, "write its addresses", func() bool {
		b, err := os.ReadFile(filepath.Join(s.opts.Workspace, nodeDir, "rpc_addresses.json"))
		return err == nil && json.Unmarshal(b, &addresses) == nil && addresses["primary_rpc_interface"] != ""
	})
	if err != nil {
		return err
	}
	s.URL = "https://" + addresses["primary_rpc_interface"]
	service, err := os.ReadFile(s.common("service_cert.pem"))
	if err != nil {
		return err
	}
	if s.client, err = client.New(client.Options{URL: s.URL, ServiceCert: service}); err != nil {
		return err
	}
	return s.waitReady(ctx, "/node/ready/gov")
}

func (s *Sandbox) waitReady(ctx context.Context, path string) error {
	return s.until(ctx, "answer "+path, func() bool {
		a, err := s.client.Do(ctx, http.MethodGet, path, nil, nil)
		return err == nil && a.Status == http.StatusNoContent
	})
}

// ErrNotInTime means that the node lives and was not ready when the time was over.
var ErrNotInTime = errors.New("in time")

// until polls a condition while the node lives.
func (s *Sandbox) until(ctx context.Context, what string, done func() bool) error {
	for !done() {
		select {
		case <-s.exited:
			return fmt.Errorf("the node ended before it could %s; its log says why", what)
		case <-ctx.Done():
			return fmt.Errorf("the node did not %s %w; its log may say why", what, ErrNotInTime)
		case <-time.After(poll):
		}
	}
	return nil
}
