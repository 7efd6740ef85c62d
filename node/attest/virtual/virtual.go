// Package virtual is the platform without protection, for development: its
// evidence has the shape of real evidence and proves nothing.
package virtual

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"concordat/node/attest"
)

// Measurement is the fixed text that stands where a real platform measures code.
// CCF's virtual nodes report the same words, and services list them by name.
const Measurement = "Insecure hard-coded virtual measurement v1"

// quote is CCF's virtual quote; the fields are in alphabetical order on the wire.
type quote struct {
	HostData    string `json:"host_data"`
	Measurement string `json:"measurement"`
	ReportData  string `json:"report_data"`
}

// Provider makes virtual evidence.
type Provider struct{ hostData string }

// New hashes the program, whose digest stands for the host data.
func New(executable io.Reader) (*Provider, error) {
	h := sha256.New()
	if _, err := io.Copy(h, executable); err != nil {
		return nil, fmt.Errorf("virtual evidence: hashing the executable: %w", err)
	}
	return &Provider{hostData: hex.EncodeToString(h.Sum(nil))}, nil
}

// Attest implements attest.Provider.
func (p *Provider) Attest(rd attest.ReportData) (*attest.Evidence, error) {
	q, err := json.Marshal(quote{
		HostData:    p.hostData,
		Measurement: Measurement,
		ReportData:  base64.StdEncoding.EncodeToString(rd[:]),
	})
	if err != nil {
		return nil, fmt.Errorf("virtual evidence: %w", err)
	}
	return &attest.Evidence{Format: attest.FormatVirtual, Quote: q, Measurement: Measurement, HostData: p.hostData}, nil
}
