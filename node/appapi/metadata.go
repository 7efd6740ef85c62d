package appapi

import (
	"encoding/json"
	"fmt"
	"strings"

	"concordat/node/frontend"
)

// metadata is one row of the endpoints table: what app.json says of one verb on
// one path, as governance stored it (ccf-js-api 1.2).
type metadata struct {
	Module     string            `json:"js_module"`
	Function   string            `json:"js_function"`
	Forwarding string            `json:"forwarding_required"`
	Redirect   *string           `json:"redirection_strategy"`
	Policies   []json.RawMessage `json:"authn_policies"`
	Mode       string            `json:"mode"`
	OpenAPI    json.RawMessage   `json:"openapi"`
	Hidden     bool              `json:"openapi_hidden"`
	Reuse      json.RawMessage   `json:"interpreter_reuse"`
}

// parseMetadata reads a row. Rows were validated by the constitution, but a
// custom one may have let anything pass.
func parseMetadata(row []byte) (*metadata, error) {
	var m metadata
	if err := json.Unmarshal(row, &m); err != nil {
		return nil, fmt.Errorf("endpoint metadata: %w", err)
	}
	return &m, nil
}

// modes maps the words of app.json; an absent mode is readwrite.
var modes = map[string]frontend.Mode{
	"": frontend.ReadWrite, "readwrite": frontend.ReadWrite,
	"readonly": frontend.ReadOnly, "historical": frontend.Historical,
}

var forwardings = map[string]frontend.Forwarding{
	"": frontend.ForwardAlways, "always": frontend.ForwardAlways,
	"sometimes": frontend.ForwardSometimes, "never": frontend.ForwardNever,
}

// redirects has no entry for an absent strategy, which means to_primary whatever
// the forwarding mode says (ccf-js-api 1.2).
var redirects = map[string]frontend.Redirect{
	"none": frontend.RedirectNone, "to_primary": frontend.RedirectToPrimary, "to_backup": frontend.RedirectToBackup,
}

func (m *metadata) redirect() frontend.Redirect {
	if m.Redirect == nil {
		return frontend.RedirectToPrimary
	}
	return redirects[*m.Redirect]
}

// reuseKey is the key of interpreter_reuse when it has the documented shape;
// other shapes are stored and have no effect.
func (m *metadata) reuseKey() *string {
	var r struct{ Key *string }
	if json.Unmarshal(m.Reuse, &r) != nil {
		return nil
	}
	return r.Key
}

// endpoint turns a row into a route. A row that names unknown policies answers
// 500 whenever it is called, and leaves the others alone.
func (a *App) endpoint(key string, row []byte) (frontend.Endpoint, bool) {
	verb, path, ok := strings.Cut(key, " ")
	if !ok || verb == "" {
		return frontend.Endpoint{}, false
	}
	m, err := parseMetadata(row)
	if err != nil {
		return frontend.Endpoint{Verb: verb, Path: path, Broken: err}, true
	}
	e := frontend.Endpoint{
		Verb: verb, Path: path, Mode: modes[m.Mode], Forwarding: forwardings[m.Forwarding], Redirect: m.redirect(),
		Hidden: m.Hidden, Data: m, Handler: a.handle,
	}
	if e.Mode == frontend.Historical {
		e.Handler = a.handleHistorical
	}
	e.Auth, e.Broken = a.policies(m.Policies)
	return e, true
}

// policies resolves authn_policies; the texts are those of ccf-http-api 3.7 and
// the recorded ones of ccf-js-api-corrections 20.
func (a *App) policies(descriptors []json.RawMessage) ([]frontend.Policy, error) {
	var list []frontend.Policy
	for _, d := range descriptors {
		p, err := a.policy(d)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func (a *App) policy(descriptor json.RawMessage) (frontend.Policy, error) {
	var name string
	if json.Unmarshal(descriptor, &name) == nil {
		return a.named(name)
	}
	var all struct {
		AllOf []string `json:"all_of"`
	}
	if json.Unmarshal(descriptor, &all) != nil || len(all.AllOf) == 0 {
		return nil, fmt.Errorf("Unsupported auth policy. Policies must be either a string, or an object containing an \"all_of\" key with list-of-strings value. Unsupported value: %s", descriptor)
	}
	var parts []frontend.Policy
	for _, name := range all.AllOf {
		p, err := a.named(name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return a.cfg.AllOf(parts)
}

func (a *App) named(name string) (frontend.Policy, error) {
	if p, ok := a.cfg.Policies[name]; ok {
		return p, nil
	}
	return nil, fmt.Errorf("Unknown auth policy: %s", name)
}
