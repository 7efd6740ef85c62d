package bundle

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// endpoint holds the properties of one endpoint that are checked. Unknown
// ones pass, as they do in CCF.
type endpoint struct {
	Module      *string           `json:"js_module"`
	Function    *string           `json:"js_function"`
	Policies    []json.RawMessage `json:"authn_policies"`
	Mode        *string           `json:"mode"`
	Forwarding  *string           `json:"forwarding_required"`
	Redirection *string           `json:"redirection_strategy"`
	Hidden      *bool             `json:"openapi_hidden"`
}

// The values that properties may have.
var (
	modes        = []string{"readwrite", "readonly", "historical"}
	forwardings  = []string{"sometimes", "always", "never"}
	redirections = []string{"none", "to_primary", "to_backup"}
	// verbs are those the dispatcher can serve. CCF accepts others at
	// deployment and then fails every request of the application.
	verbs = []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
	// policies that app.json may name.
	policies = []string{"any_cert", "jwt", "member_cert", "no_auth", "user_cert", "user_cose_sign1"}
)

func check(b *Bundle) error {
	names, err := checkModules(b.Modules)
	if err != nil {
		return err
	}
	var metadata struct {
		Endpoints map[string]map[string]json.RawMessage `json:"endpoints"`
	}
	if err := json.Unmarshal(b.Metadata, &metadata); err != nil {
		return inFile(metadataFile, describeSyntax(b.Metadata, err))
	}
	if metadata.Endpoints == nil {
		return fmt.Errorf(`%s has no "endpoints"`, metadataFile)
	}
	for _, route := range slices.Sorted(maps.Keys(metadata.Endpoints)) {
		if err := checkRoute(route); err != nil {
			return fmt.Errorf("%s: endpoint %q: %w", metadataFile, route, err)
		}
		seen := map[string]bool{}
		for _, verb := range slices.Sorted(maps.Keys(metadata.Endpoints[route])) {
			where := fmt.Sprintf("%s: endpoint %s %q", metadataFile, strings.ToUpper(verb), route)
			if err := checkVerb(verb, seen); err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
			if err := checkEndpoint(metadata.Endpoints[route][verb], names); err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
		}
	}
	return nil
}

func checkModules(modules []Module) (map[string]bool, error) {
	if len(modules) > MaxModules {
		return nil, fmt.Errorf("%d modules are over the limit of %d", len(modules), MaxModules)
	}
	names := make(map[string]bool, len(modules))
	for _, m := range modules {
		switch {
		case m.Name == "":
			return nil, fmt.Errorf("a module has no name")
		case names[m.Name]:
			return nil, fmt.Errorf("module %q appears twice", m.Name)
		case len(m.Module) > MaxModuleBytes:
			return nil, fmt.Errorf("module %q is over the limit of %d bytes", m.Name, MaxModuleBytes)
		}
		names[m.Name] = true
	}
	return names, nil
}

// checkRoute refuses templates that the dispatcher cannot compile. One such
// route would break every templated path of the same verb.
func checkRoute(route string) error {
	if !strings.HasPrefix(route, "/") {
		return fmt.Errorf("the path must begin with a slash")
	}
	previous := ""
	for rest := route; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			return nil
		}
		name, tail, closed := strings.Cut(after, "}")
		switch {
		case !closed:
			return fmt.Errorf("the template lacks a closing brace")
		case name == "":
			return fmt.Errorf("the template has a parameter without name")
		case name == previous:
			return fmt.Errorf("the parameter {%s} appears twice", name)
		}
		previous, rest = name, tail
	}
}

func checkVerb(verb string, seen map[string]bool) error {
	upper := strings.ToUpper(verb)
	if !slices.Contains(verbs, upper) {
		return fmt.Errorf("unknown method %q (one of %s)", verb, strings.Join(verbs, ", "))
	}
	if seen[upper] {
		return fmt.Errorf("the method appears twice, in different case")
	}
	seen[upper] = true
	return nil
}

func checkEndpoint(raw json.RawMessage, modules map[string]bool) error {
	var e endpoint
	if err := json.Unmarshal(raw, &e); err != nil {
		return err
	}
	switch {
	case e.Module == nil:
		return fmt.Errorf("js_module is missing")
	case !modules[*e.Module]:
		return fmt.Errorf("js_module %q is not among the modules below %s", *e.Module, sourceFolder)
	case e.Function == nil:
		return fmt.Errorf("js_function is missing")
	case e.Policies == nil:
		return fmt.Errorf("authn_policies is missing (an empty list leaves the endpoint open to everyone)")
	}
	for _, p := range []struct {
		name     string
		value    *string
		values   []string
		optional bool
	}{
		{"mode", e.Mode, modes, false},
		{"forwarding_required", e.Forwarding, forwardings, false},
		{"redirection_strategy", e.Redirection, redirections, true},
	} {
		if p.value == nil && p.optional {
			continue
		}
		if p.value == nil || !slices.Contains(p.values, *p.value) {
			return fmt.Errorf("%s must be one of %s", p.name, strings.Join(p.values, ", "))
		}
	}
	for _, raw := range e.Policies {
		if err := checkPolicy(raw); err != nil {
			return err
		}
	}
	return nil
}

// checkPolicy accepts a policy's name or {"all_of": [names]}.
func checkPolicy(raw json.RawMessage) error {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		if !slices.Contains(policies, name) {
			return fmt.Errorf("unknown authentication policy %q (one of %s)", name, strings.Join(policies, ", "))
		}
		return nil
	}
	var all struct {
		Of []string `json:"all_of"`
	}
	if err := json.Unmarshal(raw, &all); err != nil || len(all.Of) == 0 {
		return fmt.Errorf(`authn_policies holds %s, which is neither a name nor {"all_of": [names]}`, raw)
	}
	seen := map[string]bool{}
	for _, name := range all.Of {
		if !slices.Contains(policies, name) {
			return fmt.Errorf("unknown authentication policy %q in all_of", name)
		}
		if seen[name] {
			return fmt.Errorf("authentication policy %q appears twice in all_of", name)
		}
		seen[name] = true
	}
	return nil
}
