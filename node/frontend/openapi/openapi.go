// Package openapi describes the endpoints of an actor as an OpenAPI 3.0.0 document, in the shape CCF gives it (ccf-http-api 8).
package openapi

import (
	"net/http"
	"strings"

	"concordat/node/frontend"
)

// Endpoint serves GET /api of whichever actor it is registered with. The actor's owner may answer some requests itself before: the governance API has
// static documents for its versions.
func Endpoint() frontend.Endpoint {
	return frontend.Endpoint{
		Verb: http.MethodGet, Path: "/api", Mode: frontend.NoTx, Forwarding: frontend.ForwardSometimes, Handler: serve,
		Doc: &frontend.Doc{Summary: "OpenAPI schema", Description: "This document: the endpoints that are open to clients"},
	}
}

func serve(c *frontend.Context) error {
	a, ok := c.Frontend.Actor(c.Actor)
	if !ok {
		return frontend.Errorf(http.StatusNotFound, frontend.CodeResourceNotFound, "There is no API document for %s.", c.Actor)
	}
	doc, err := Build(c, a)
	if err != nil {
		return err
	}
	return c.JSON(doc)
}

type object = map[string]any

// Build makes the document of an actor. The application's own endpoints are added as their bundle describes them.
func Build(c *frontend.Context, a frontend.Actor) (object, error) {
	paths := map[string]map[string]any{}
	schemes := object{}
	for i := range a.Endpoints {
		e := &a.Endpoints[i]
		if e.Hidden {
			continue
		}
		path := paths[e.FullPath()]
		if path == nil {
			path = pathItem(e)
			paths[e.FullPath()] = path
		}
		path[strings.ToLower(e.Verb)] = operation(e, schemes)
	}
	if a.Dynamic != nil {
		if err := a.Dynamic.Document(c, paths); err != nil {
			return nil, err
		}
	}
	components := object{
		"responses":        object{"default": errorResponse()},
		"schemas":          object{"CCFError": errorSchema()},
		"x-ccf-forwarding": forwarding(),
	}
	if len(schemes) > 0 {
		components["securitySchemes"] = schemes
	}
	return object{
		"openapi": "3.0.0", "servers": []any{}, "paths": paths, "components": components,
		"info": object{
			"title":       or(a.Info.Title, "Empty title"),
			"description": or(a.Info.Description, "Empty description"),
			"version":     or(a.Info.Version, "0.0.1"),
		},
	}, nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func pathItem(e *frontend.Endpoint) object {
	item := object{}
	var params []any
	for _, name := range e.ParamNames() {
		params = append(params, object{"in": "path", "name": name, "required": true, "schema": object{"type": "string"}})
	}
	if len(params) > 0 {
		item["parameters"] = params
	}
	return item
}

func operation(e *frontend.Endpoint, schemes object) object {
	op := object{
		"operationId":      operationID(e),
		"responses":        responses(e.Doc),
		"x-ccf-forwarding": object{"$ref": "#/components/x-ccf-forwarding/" + e.ForwardingName()},
	}
	describe(op, e.Doc)
	if s := security(e, schemes); len(s) > 0 {
		op["security"] = s
	}
	return op
}

func describe(op object, d *frontend.Doc) {
	if d == nil {
		return
	}
	if d.Summary != "" {
		op["summary"] = d.Summary
	}
	if d.Description != "" {
		op["description"] = d.Description
	}
	if d.Deprecated {
		op["deprecated"] = true
	}
	var params []any
	for _, q := range d.Query {
		params = append(params, object{"in": "query", "name": q.Name, "required": q.Required, "schema": schemaOr(q.Schema)})
	}
	if len(params) > 0 {
		op["parameters"] = params
	}
	if d.Request != nil {
		op["requestBody"] = object{
			"description": "Auto-generated request body schema",
			"content":     object{"application/json": object{"schema": d.Request}},
		}
	}
}

func schemaOr(schema any) any {
	if schema == nil {
		return object{"type": "string"}
	}
	return schema
}

func responses(d *frontend.Doc) object {
	status, ok := "200", object{"description": "Default response description"}
	if d != nil {
		if d.Success == http.StatusNoContent {
			status = "204"
		}
		if d.Response != nil {
			ok["content"] = object{"application/json": object{"schema": d.Response}}
		}
	}
	return object{status: ok, "default": object{"$ref": "#/components/responses/default"}}
}

// security lists the alternatives; an empty one means that no credentials are needed.
func security(e *frontend.Endpoint, schemes object) (list []any) {
	for _, p := range e.Auth {
		s := p.Security()
		switch {
		case s == nil:
		case s.Name == "":
			list = append(list, object{})
		default:
			schemes[s.Name] = s.Scheme
			list = append(list, object{s.Name: []any{}})
		}
	}
	return list
}

// operationID is the verb and the path in camel case, without braces: GetNodeNetworkNodesNodeId.
func operationID(e *frontend.Endpoint) string {
	var b strings.Builder
	b.WriteString(title(strings.ToLower(e.Verb)))
	words := strings.FieldsFunc(e.FullPath(), func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
	})
	for _, w := range words {
		b.WriteString(title(w))
	}
	return b.String()
}

func title(w string) string {
	if w == "" {
		return ""
	}
	return strings.ToUpper(w[:1]) + w[1:]
}

func errorResponse() object {
	return object{
		"description": "An error occurred",
		"content":     object{"application/json": object{"schema": object{"$ref": "#/components/schemas/CCFError"}}},
	}
}

func errorSchema() object {
	text := func(d string) object { return object{"type": "string", "description": d} }
	return object{"type": "object", "properties": object{"error": object{"type": "object", "properties": object{
		"code": text("Response error code"), "message": text("Response error message"),
	}}}}
}

func forwarding() object {
	mode := func(name, text string) object { return object{"value": name, "description": text} }
	return object{
		"always":    mode("always", "A backup hands this request to the primary."),
		"sometimes": mode("sometimes", "A backup runs this request itself, unless the session has been handed to the primary before."),
		"never":     mode("never", "The receiving node always runs this request itself; on a backup a write fails."),
	}
}
