package govapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"concordat/node/frontend"
)

// Document serves GET /gov/api: with an api version the description of that
// version of this interface, without one whatever classic does.
func Document(classic func(*frontend.Context) error) func(*frontend.Context) error {
	return func(c *frontend.Context) error {
		if _, ok := c.Query.Lookup("api-version"); !ok {
			return classic(c)
		}
		version, err := versionOf(c, allVersions)
		if err != nil {
			return err
		}
		return c.Raw(http.StatusOK, typeJSON, documents()[version])
	}
}

// documents are the descriptions by version, made once.
var documents = sync.OnceValue(func() map[string][]byte {
	out := map[string][]byte{}
	for _, version := range allVersions {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(describe(version)); err != nil {
			panic("govapi: " + err.Error()) // a fixed value
		}
		out[version] = buf.Bytes()
	}
	return out
})

type object = map[string]any

// describe makes the OpenAPI document of one version.
func describe(version string) object {
	paths := object{}
	for _, op := range operations {
		if op.since == version2024 && version != version2024 {
			continue
		}
		path, ok := paths["/gov"+op.path].(object)
		if !ok {
			path = object{}
			paths["/gov"+op.path] = path
		}
		path[strings.ToLower(op.verb)] = op.describe()
	}
	return object{
		"openapi": "3.0.3",
		"info": object{
			"title":       "Governance",
			"description": "How members rule a service: proposals, ballots, activation, recovery shares, and what the service is made of. Requests that change something are COSE_Sign1 messages signed by members.",
			"version":     version,
		},
		"paths":      paths,
		"components": object{"schemas": schemas},
	}
}

// op is one operation of the interface.
type op struct {
	verb, path, summary string
	result              string // name of a schema, "" for none
	content             string // of the answer; JSON unless said
	signed              string // message type of a signed request
	payload             string // schema of what is signed
	since               string
	query               []object
}

var operations = []op{
	{verb: "GET", path: "/members/proposals", summary: "List all proposals that are open, and those closed last.", result: "ProposalList"},
	{verb: "POST", path: "/members/proposals:create", summary: "Make a proposal.", result: "Proposal", signed: "proposal", payload: "ProposalText"},
	{verb: "GET", path: "/members/proposals/{proposalId}", summary: "Read a proposal.", result: "Proposal"},
	{verb: "GET", path: "/members/proposals/{proposalId}/actions", summary: "Read the text of a proposal.", result: "ProposalText"},
	{verb: "POST", path: "/members/proposals/{proposalId}:withdraw", summary: "Take a proposal back.", result: "Proposal", signed: "withdrawal"},
	{verb: "POST", path: "/members/proposals/{proposalId}/ballots/{memberId}:submit", summary: "Cast a ballot.", result: "Proposal", signed: "ballot", payload: "Ballot"},
	{verb: "GET", path: "/members/proposals/{proposalId}/ballots/{memberId}", summary: "Read a ballot.", result: "Text", content: typeJS},
	{verb: "GET", path: "/members/state-digests/{memberId}", summary: "Read the state digest that a member is to sign.", result: "StateDigest"},
	{verb: "POST", path: "/members/state-digests/{memberId}:update", summary: "Ask for a newer state digest.", result: "StateDigest", signed: "state_digest"},
	{verb: "POST", path: "/members/state-digests/{memberId}:ack", summary: "Sign the state digest, and so become active.", signed: "ack", payload: "StateDigest"},
	{verb: "GET", path: "/recovery/encrypted-shares/{memberId}", summary: "Read a member's encrypted recovery share.", result: "EncryptedShare"},
	{verb: "POST", path: "/recovery/members/{memberId}:recover", summary: "Submit a decrypted recovery share.", result: "ShareSubmission", signed: "recovery_share", payload: "Share"},
	{verb: "GET", path: "/service/constitution", summary: "Read the constitution.", result: "Text", content: typeJS},
	{verb: "GET", path: "/service/info", summary: "Read the identity and the configuration of the service.", result: "ServiceInfo"},
	{verb: "GET", path: "/service/members", summary: "List the members.", result: "MemberList"},
	{verb: "GET", path: "/service/members/{memberId}", summary: "Read a member.", result: "Member"},
	{verb: "GET", path: "/service/users", summary: "List the users.", result: "UserList"},
	{verb: "GET", path: "/service/users/{userId}", summary: "Read a user.", result: "User"},
	{verb: "GET", path: "/service/nodes", summary: "List the nodes.", result: "NodeList"},
	{verb: "GET", path: "/service/nodes/{nodeId}", summary: "Read a node.", result: "Node"},
	{verb: "GET", path: "/service/join-policy", summary: "Read which code may join.", result: "JoinPolicy"},
	{verb: "GET", path: "/service/jwk", summary: "Read the token issuers and their keys.", result: "Jwk"},
	{verb: "GET", path: "/service/javascript-app", summary: "Read the endpoints of the application.", result: "JavaScriptApp", since: version2024,
		query: []object{{"name": "case", "in": "query", "schema": object{"type": "string", "enum": []string{"original"}}}}},
	{verb: "GET", path: "/service/javascript-modules", summary: "List the modules of the application.", result: "ModuleList", since: version2024},
	{verb: "GET", path: "/service/javascript-modules/{moduleName}", summary: "Read a module of the application.", result: "Text", content: typeJS, since: version2024},
	{verb: "GET", path: "/service/transactions/{transactionId}", summary: "Read the status of a transaction.", result: "Transaction"},
	{verb: "GET", path: "/service/transactions/commit", summary: "Read the newest committed transaction.", result: "Transaction"},
}

func (o op) describe() object {
	out := object{
		"summary":    o.summary,
		"parameters": o.parameters(),
		"responses":  object{o.status(): o.success(), "default": jsonBody("The request was refused.", "Error")},
	}
	if o.signed != "" {
		description := "A COSE_Sign1 message of type " + o.signed + "."
		if o.payload != "" {
			description += " Its payload is JSON: " + o.payload + "."
		}
		out["requestBody"] = object{
			"required": true, "description": description,
			"content": object{"application/cose": object{"schema": object{"type": "string", "format": "binary"}}},
		}
	}
	return out
}

func (o op) status() string {
	if o.result == "" {
		return "204"
	}
	return "200"
}

func (o op) success() object {
	switch {
	case o.result == "":
		return object{"description": "Done."}
	case o.content != "":
		return object{"description": "Done.", "content": object{o.content: object{"schema": ref(o.result)}}}
	}
	return jsonBody("Done.", o.result)
}

func (o op) parameters() []object {
	params := append([]object{{"name": "api-version", "in": "query", "required": true, "schema": object{"type": "string"}}}, o.query...)
	for _, part := range strings.Split(o.path, "{")[1:] {
		name, _, _ := strings.Cut(part, "}")
		params = append(params, object{"name": name, "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	return params
}

func jsonBody(description, schema string) object {
	return object{"description": description, "content": object{typeJSON: object{"schema": ref(schema)}}}
}

func ref(schema string) object { return object{"$ref": "#/components/schemas/" + schema} }
