// Package client speaks to a service over its public HTTP interface, as any
// consortium's tooling would: it pins the service certificate, follows the
// primary, waits for commits and fetches receipts.
//
// It imports no server code, so that programs which embed it stay small.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"concordat/ledger"
)

// Limits of the client, on purpose above anything the service sends.
const (
	maxAnswer      = 64 << 20 // bytes of one answer's body
	maxRedirects   = 20       // hops, as CCF's own tools allow
	requestTimeout = 30 * time.Second
	pollInterval   = 20 * time.Millisecond
)

// TxIDHeader carries the id of the transaction an answer stands for.
const TxIDHeader = "x-ms-ccf-transaction-id"

// Options says whom to talk to and as whom.
type Options struct {
	URL         string           // e.g. https://127.0.0.1:8000
	ServiceCert []byte           // PEM of the service's certificate, the only root that is trusted
	Identity    *tls.Certificate // client certificate, or nil for none
}

// Client is safe for concurrent use.
type Client struct {
	url  string
	http *http.Client
}

// New makes a client. It does not connect yet.
func New(o Options) (*Client, error) {
	if !strings.HasPrefix(o.URL, "https://") {
		return nil, fmt.Errorf("service address %q: want https://HOST:PORT", o.URL)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(o.ServiceCert) {
		return nil, errors.New("service certificate: no PEM certificate found in it")
	}
	conf := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if o.Identity != nil {
		conf.Certificates = []tls.Certificate{*o.Identity}
	}
	return &Client{url: strings.TrimRight(o.URL, "/"), http: newHTTP(conf)}, nil
}

func newHTTP(conf *tls.Config) *http.Client {
	return &http.Client{
		Timeout:   requestTimeout,
		Transport: &http.Transport{TLSClientConfig: conf, MaxIdleConnsPerHost: 64},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return errors.New("too many redirects")
			}
			return nil
		},
	}
}

// Answer is what the service said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// TxID is the transaction the answer names; zero when it names none.
func (a *Answer) TxID() ledger.TxID {
	id, err := ledger.ParseTxID(a.Header.Get(TxIDHeader))
	if err != nil {
		return ledger.TxID{}
	}
	return id
}

// ServiceError is an answer outside 2xx.
type ServiceError struct {
	Status  int
	Code    string
	Message string
	Details []string
}

func (e *ServiceError) Error() string {
	s := fmt.Sprintf("the service answered %d", e.Status)
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	for _, d := range e.Details {
		s += "; " + d
	}
	return s
}

// Err is nil for 2xx, else the service's own words.
func (a *Answer) Err() error {
	if a.Status/100 == 2 {
		return nil
	}
	e := &ServiceError{Status: a.Status}
	var body struct {
		Error struct {
			Code    string
			Message string
			Details []struct{ Message string }
		}
	}
	if json.Unmarshal(a.Body, &body) == nil {
		e.Code, e.Message = body.Error.Code, body.Error.Message
		for _, d := range body.Error.Details {
			e.Details = append(e.Details, d.Message)
		}
	}
	return e
}

// Do sends one request. Only transport failures are errors; see Answer.Err.
func (c *Client) Do(ctx context.Context, method, path string, header http.Header, body []byte) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("request %s %s: %w", method, path, err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%s %s: reading the answer: %w", method, path, err)
	}
	if len(got) > maxAnswer {
		return nil, fmt.Errorf("%s %s: the answer is over %d bytes", method, path, maxAnswer)
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: got}, nil
}

// GetJSON reads a resource into v; an answer outside 2xx is an error.
func (c *Client) GetJSON(ctx context.Context, path string, v any) error {
	a, err := c.Do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	if err := a.Err(); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	if err := json.Unmarshal(a.Body, v); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

// ErrInvalid is returned for a transaction that was replaced after an election
// and will never commit.
var ErrInvalid = errors.New("the transaction was discarded and will never commit; submit it again")

// WaitCommitted polls until the service reports the transaction committed.
func (c *Client) WaitCommitted(ctx context.Context, id ledger.TxID) error {
	for {
		var s struct{ Status string }
		if err := c.GetJSON(ctx, "/node/tx?transaction_id="+id.String(), &s); err != nil {
			return err
		}
		switch s.Status {
		case "Committed":
			return nil
		case "Invalid":
			return fmt.Errorf("%s: %w", id, ErrInvalid)
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return fmt.Errorf("waiting for %s to commit: %w", id, err)
		}
	}
}

// Receipt waits for the receipt of a committed transaction and returns its JSON.
func (c *Client) Receipt(ctx context.Context, id ledger.TxID) ([]byte, error) {
	for {
		a, err := c.Do(ctx, http.MethodGet, "/app/receipt?transaction_id="+id.String(), nil, nil)
		if err != nil {
			return nil, err
		}
		if a.Status == http.StatusOK {
			return a.Body, nil
		}
		if !retryable(a) {
			return nil, a.Err()
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return nil, fmt.Errorf("waiting for the receipt of %s: %w", id, err)
		}
	}
}

// retryable reports the two answers that mean "not yet".
func retryable(a *Answer) bool {
	if a.Status == http.StatusAccepted {
		return true
	}
	var e *ServiceError
	return errors.As(a.Err(), &e) && e.Code == "TransactionPendingOrUnknown"
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
