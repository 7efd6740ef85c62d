package govapi

import (
	"sort"
	"strings"
)

var (
	text    = object{"type": "string"}
	number  = object{"type": "integer", "minimum": 0}
	boolean = object{"type": "boolean"}
	bytes64 = object{"type": "string", "format": "byte"}
	id      = object{"type": "string", "pattern": "^[a-f0-9]{64}$"}
	free    = object{"nullable": true}
)

// shape is an object with these members, all required unless the name ends in "?".
func shape(members object) object {
	properties, required := object{}, []string{}
	for name, schema := range members {
		if bare, optional := cutOptional(name); optional {
			properties[bare] = schema
		} else {
			properties[name] = schema
			required = append(required, name)
		}
	}
	out := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = sorted(required)
	}
	return out
}

func mapOf(schema object) object { return object{"type": "object", "additionalProperties": schema} }

func arrayOf(schema object) object { return object{"type": "array", "items": schema} }

func listOf(name string) object { return shape(object{"value": arrayOf(ref(name))}) }

func oneOf(values ...string) object { return object{"type": "string", "enum": values} }

// schemas are the shapes of answers and payloads.
var schemas = object{
	"Ballot":          shape(object{"ballot": text}),
	"EncryptedShare":  shape(object{"encryptedShare": bytes64, "memberId": id}),
	"Error":           shape(object{"error": shape(object{"code": text, "message": text, "details?": arrayOf(object{"type": "object"})})}),
	"JavaScriptApp":   shape(object{"endpoints": mapOf(mapOf(ref("JavaScriptEndpoint")))}),
	"JoinPolicy":      joinPolicySchema,
	"Jwk":             jwkSchema,
	"Member":          memberSchema,
	"MemberList":      listOf("Member"),
	"Module":          shape(object{"moduleName": text}),
	"ModuleList":      listOf("Module"),
	"Node":            nodeSchema,
	"NodeList":        listOf("Node"),
	"Proposal":        proposalSchema,
	"ProposalList":    listOf("Proposal"),
	"ProposalText":    shape(object{"actions": arrayOf(shape(object{"name": text, "args?": free}))}),
	"ScriptFailure":   shape(object{"reason": text, "trace?": text}),
	"ServiceInfo":     serviceSchema,
	"Share":           shape(object{"share": bytes64}),
	"ShareSubmission": shape(object{"fullKeySubmitted": boolean, "message": text, "recoveryThreshold": number, "submittedCount": number}),
	"StateDigest":     shape(object{"memberId": id, "stateDigest": text}),
	"Text":            text,
	"Transaction":     shape(object{"status": oneOf("Unknown", "Pending", "Committed", "Invalid"), "transactionId": text}),
	"User":            shape(object{"certificate": text, "userData": free, "userId": id}),
	"UserList":        listOf("User"),
	"JavaScriptEndpoint": shape(object{
		"authnPolicies": arrayOf(object{}), "forwardingRequired": oneOf("sometimes", "always", "never"), "jsFunction": text, "jsModule": text,
		"mode": oneOf("readwrite", "readonly", "historical"), "openApi": free, "redirectionStrategy": oneOf("none", "to_primary", "to_backup"),
	}),
}

var proposalSchema = shape(object{
	"ballotCount": number, "failure?": ref("ScriptFailure"), "finalVotes?": mapOf(boolean), "proposalId": id,
	"proposalState": oneOf("Open", "Accepted", "Withdrawn", "Rejected", "Failed", "Dropped"), "proposerId": id,
	"voteFailures?": mapOf(ref("ScriptFailure")),
})

var memberSchema = shape(object{
	"certificate?": text, "memberData": free, "memberId": id, "publicEncryptionKey?": text,
	"recoveryRole": oneOf("NonParticipant", "Participant", "Owner"), "status": oneOf("Accepted", "Active"),
})

var nodeSchema = shape(object{
	"certificate?": text, "nodeData": free, "nodeId": id, "quoteInfo": object{"type": "object"}, "retiredCommitted": boolean,
	"rpcInterfaces": mapOf(shape(object{"protocol?": text, "publishedAddress": text})), "status": oneOf("Pending", "Trusted", "Retired"),
})

var serviceSchema = shape(object{
	"certificate": text, "creationTransactionId?": text, "previousServiceCreationTransactionId?": text, "recoveryCount": number, "serviceData": free,
	"status": oneOf("Opening", "Open", "WaitingForRecoveryShares", "Recovering"),
	"configuration?": shape(object{
		"maximumNodeCertificateValidityDays": number, "maximumServiceCertificateValidityDays": number,
		"recentCoseProposalsWindowSize": number, "recoveryThreshold": number,
	}),
})

var joinPolicySchema = shape(object{
	"sgx":     shape(object{"measurements": arrayOf(text)}),
	"virtual": shape(object{"measurements": arrayOf(text), "hostData": arrayOf(text)}),
	"snp": shape(object{
		"measurements": arrayOf(text), "hostData": mapOf(text), "uvmEndorsements": mapOf(mapOf(shape(object{"svn": text}))),
		"tcbVersions": mapOf(object{"type": "object"}),
	}),
})

var jwkSchema = shape(object{
	"caCertBundles": mapOf(text),
	"issuers":       mapOf(shape(object{"autoRefresh": boolean, "caCertBundleName?": text})),
	"keys":          mapOf(arrayOf(shape(object{"constraint": object{"type": "string", "nullable": true}, "issuer": text, "publicKey": text}))),
})

func cutOptional(name string) (string, bool) { return strings.CutSuffix(name, "?") }

func sorted(names []string) []string {
	sort.Strings(names)
	return names
}
