package govapi

import (
	"net/http"
	"net/url"
	"strings"

	"concordat/governance/tables"
	"concordat/ledger/jsondoc"
	"concordat/node/frontend"
)

// operation is one endpoint of the application, in this interface's own words.
type operation struct {
	AuthnPolicies       jsondoc.Opaque `json:"authnPolicies"`
	ForwardingRequired  string         `json:"forwardingRequired"`
	JSFunction          string         `json:"jsFunction"`
	JSModule            string         `json:"jsModule"`
	Mode                string         `json:"mode"`
	OpenAPI             any            `json:"openApi"`
	RedirectionStrategy string         `json:"redirectionStrategy"`
}

// stored is the same as a row of the endpoints table.
type stored struct {
	AuthnPolicies       jsondoc.Opaque `json:"authn_policies"`
	ForwardingRequired  string         `json:"forwarding_required"`
	JSFunction          string         `json:"js_function"`
	JSModule            string         `json:"js_module"`
	Mode                string         `json:"mode"`
	OpenAPI             jsondoc.Opaque `json:"openapi"`
	RedirectionStrategy string         `json:"redirection_strategy"`
}

// view fills in what the deployer left out.
func (s stored) view() operation {
	o := operation{
		AuthnPolicies: s.AuthnPolicies, ForwardingRequired: s.ForwardingRequired, JSFunction: s.JSFunction, JSModule: s.JSModule,
		Mode: s.Mode, OpenAPI: orNull(s.OpenAPI), RedirectionStrategy: s.RedirectionStrategy,
	}
	if len(o.AuthnPolicies) == 0 {
		o.AuthnPolicies = jsondoc.Opaque("[]")
	}
	if o.ForwardingRequired == "" {
		o.ForwardingRequired = "always"
	}
	if o.Mode == "" {
		o.Mode = "readwrite"
	}
	if o.RedirectionStrategy == "" {
		o.RedirectionStrategy = "to_primary"
	}
	return o
}

func getApp(c *frontend.Context) error {
	original := false
	if value, ok := c.Query.Lookup("case"); ok {
		if value != "original" {
			return frontend.Errorf(http.StatusBadRequest, frontend.CodeInvalidQueryParameterValue, "Accepted values for the 'case' query parameter are: original")
		}
		original = true
	}
	endpoints := map[string]map[string]any{}
	var bad error
	tables.Bytes{Name: tables.EndpointsTable}.Each(c.Tx(), func(key string, row []byte) bool {
		verb, path, _ := strings.Cut(key, " ")
		if endpoints[path] == nil {
			endpoints[path] = map[string]any{}
		}
		if original {
			endpoints[path][verb] = jsondoc.Opaque(row)
			return true
		}
		var s stored
		bad = jsondoc.Unmarshal(row, &s)
		endpoints[path][verb] = s.view()
		return bad == nil
	})
	if bad != nil {
		return bad
	}
	return answer(c, map[string]any{"endpoints": endpoints})
}

func listModules(c *frontend.Context) error {
	out := newList()
	for _, name := range tables.Modules.Keys(c.Tx()) {
		out.Value = append(out.Value, map[string]string{"moduleName": name})
	}
	return answer(c, out)
}

func getModule(c *frontend.Context) error {
	name := decoded(c.Param("moduleName"))
	text, ok := tables.Modules.Get(c.Tx(), name)
	if !ok {
		return notFound("Module %s does not exist.", name)
	}
	return c.Raw(http.StatusOK, typeJS, text)
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
