package frontend

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sync"
)

// InterfaceRules are the parts of an interface's configuration that act on requests.
type InterfaceRules struct {
	// Accepted are the regular expressions of accepted_endpoints; nil when the key is absent (everything is accepted).
	Accepted []string
	// Unsecured interfaces accept nothing unless Accepted says so.
	Unsecured bool
	ToPrimary *Redirection
	ToBackup  *Redirection
	Features  []string
}

// Redirection is one entry of an interface's redirections.
type Redirection struct {
	Static    string // StaticAddress target; "" for NodeByRole
	Interface string // NodeByRole: interface of the target; "" for the one the request came in on
	Role      string // NodeByRole: "primary" or "backup"; "" for the entry's own
}

// rules is one interface's, compiled.
type rules struct {
	InterfaceRules
	name     string
	accepted []*regexp.Regexp
	all      bool
	decided  sync.Map // template path → bool
}

func compileRules(name string, in *InterfaceRules) (*rules, error) {
	r := &rules{InterfaceRules: *in, name: name, all: in.Accepted == nil && !in.Unsecured}
	for _, text := range in.Accepted {
		re, err := regexp.Compile("^(?:" + text + ")$")
		if err != nil {
			return nil, fmt.Errorf("interface %q: accepted_endpoints: %w", name, err)
		}
		r.accepted = append(r.accepted, re)
	}
	return r, nil
}

// accepts reports whether an endpoint may be called on the interface. The expressions match its template path with prefix.
func (r *rules) accepts(full string) bool {
	if r.all {
		return true
	}
	if v, ok := r.decided.Load(full); ok {
		return v.(bool)
	}
	ok := slices.ContainsFunc(r.accepted, func(re *regexp.Regexp) bool { return re.MatchString(full) })
	r.decided.Store(full, ok)
	return ok
}

// admit applies the interface's rules; it reports whether the request is answered.
func (c *Context) admit(r *rules) bool {
	if c.Endpoint.Feature != "" && (r == nil || !slices.Contains(r.Features, c.Endpoint.Feature)) {
		c.Resp.Status = http.StatusNotFound
		return true
	}
	if r == nil || c.Ledger() == nil { // a node that has not joined yet does not enforce them
		return false
	}
	if !r.accepts(c.Endpoint.full) {
		c.Resp.Status = http.StatusServiceUnavailable
		return true
	}
	return false
}

// route redirects, or refuses what would have to be forwarded. It reports whether the request is answered.
func (c *Context) route(r *rules) (bool, error) {
	l := c.Ledger()
	if l == nil {
		return false, nil
	}
	primary := l.CanReplicate()
	if r == nil || r.ToPrimary == nil && r.ToBackup == nil {
		return c.forward(primary)
	}
	switch c.Endpoint.redirect() {
	case RedirectToPrimary:
		if primary {
			return false, nil
		}
		return c.redirectTo(r, r.ToPrimary, "primary", CodePrimaryNotFound)
	case RedirectToBackup:
		if !primary {
			return false, nil
		}
		return c.redirectTo(r, r.ToBackup, "backup", CodeBackupNotFound)
	}
	return false, nil
}

// forward refuses what a backup would have to hand on: a node without a primary it can reach.
func (c *Context) forward(primary bool) (bool, error) {
	if primary || c.Endpoint.forwarding() != ForwardAlways {
		return false, nil
	}
	if c.Req.HTTP2() {
		return true, Errorf(http.StatusNotImplemented, CodeNotImplemented, "Request cannot be forwarded to primary on HTTP/2 interface.")
	}
	return true, Errorf(http.StatusServiceUnavailable, CodeInternalError, "RPC could not be forwarded to unknown primary.")
}

func (c *Context) redirectTo(r *rules, to *Redirection, role, code string) (bool, error) {
	if to == nil {
		to = &Redirection{}
	}
	address, ok := to.Static, to.Static != ""
	if !ok && c.Frontend.cfg.Topology != nil {
		name := to.Interface
		if name == "" {
			name = r.name
		}
		find := c.Frontend.cfg.Topology.Primary
		if to.Role == "backup" || to.Role == "" && role == "backup" {
			find = c.Frontend.cfg.Topology.Backup
		}
		address, ok = find(name)
	}
	if !ok {
		return true, Errorf(http.StatusServiceUnavailable, code, "Request should be redirected to %s, but receiving node does not know current %s address", role, role)
	}
	c.Resp.Status = http.StatusTemporaryRedirect
	c.Resp.Set("location", "https://"+address+c.Req.Target)
	return true, nil
}
