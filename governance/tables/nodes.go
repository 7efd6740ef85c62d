package tables

import (
	"encoding/base64"
	"encoding/json"

	"concordat/ledger/jsondoc"
)

// NodeStatus is where a node stands in the service.
type NodeStatus string

// States of a node.
const (
	NodePending NodeStatus = "Pending"
	NodeTrusted NodeStatus = "Trusted"
	NodeRetired NodeStatus = "Retired"
)

// QuoteFormat is the platform of an attestation.
type QuoteFormat string

// Platforms.
const (
	QuoteSGX     QuoteFormat = "OE_SGX_v1"
	QuoteVirtual QuoteFormat = "Insecure_Virtual"
	QuoteSNP     QuoteFormat = "AMD_SEV_SNP_v1"
)

// QuoteInfo is a node's attestation evidence.
type QuoteInfo struct {
	EndorsedTCB     string      `json:"endorsed_tcb,omitempty"`
	Endorsements    []byte      `json:"endorsements"`
	Format          QuoteFormat `json:"format"`
	Quote           []byte      `json:"quote"`
	UVMEndorsements []byte      `json:"uvm_endorsements,omitempty"`
}

// MarshalJSON writes empty byte strings as "", never as null.
func (q QuoteInfo) MarshalJSON() ([]byte, error) {
	type plain struct {
		EndorsedTCB     string      `json:"endorsed_tcb,omitempty"`
		Endorsements    string      `json:"endorsements"`
		Format          QuoteFormat `json:"format"`
		Quote           string      `json:"quote"`
		UVMEndorsements string      `json:"uvm_endorsements,omitempty"`
	}
	b64 := base64.StdEncoding.EncodeToString
	return json.Marshal(plain{q.EndorsedTCB, b64(q.Endorsements), q.Format, b64(q.Quote), b64(q.UVMEndorsements)})
}

// VirtualQuote is the content of a quote of the virtual platform.
type VirtualQuote struct {
	HostData    string `json:"host_data"`
	Measurement string `json:"measurement"`
	ReportData  []byte `json:"report_data"`
}

// NodeInfo is a row of NodesInfo. Interfaces are kept as they were configured:
// governance only ever shows them. The host and port members repeat the first
// interface for readers of older releases.
type NodeInfo struct {
	ACME                         jsondoc.Opaque            `json:"acme,omitempty"`
	Cert                         string                    `json:"cert,omitempty"`
	CertificateSigningRequest    string                    `json:"certificate_signing_request,omitempty"`
	CodeDigest                   string                    `json:"code_digest,omitempty"`
	EncryptionPubKey             string                    `json:"encryption_pub_key"`
	LedgerSecretSeqno            *uint64                   `json:"ledger_secret_seqno,omitempty"`
	NodeData                     jsondoc.Opaque            `json:"node_data,omitempty"`
	NodeToNodeInterface          jsondoc.Opaque            `json:"node_to_node_interface,omitempty"`
	NodeHost                     string                    `json:"nodehost"`
	NodePort                     string                    `json:"nodeport"`
	PubHost                      string                    `json:"pubhost"`
	PublicKey                    string                    `json:"public_key,omitempty"`
	PubPort                      string                    `json:"pubport"`
	QuoteInfo                    QuoteInfo                 `json:"quote_info"`
	RetiredCommitted             bool                      `json:"retired_committed,omitempty"`
	RPCInterfaces                map[string]jsondoc.Opaque `json:"rpc_interfaces"`
	RPCHost                      string                    `json:"rpchost"`
	RPCPort                      string                    `json:"rpcport"`
	Status                       NodeStatus                `json:"status"`
	WillLocallySealLedgerSecrets bool                      `json:"will_locally_seal_ledger_secrets,omitempty"`
}

// Interface is what governance shows of one RPC interface.
type Interface struct {
	AppProtocol      string `json:"app_protocol,omitempty"`
	BindAddress      string `json:"bind_address"`
	PublishedAddress string `json:"published_address,omitempty"`
}

// TCBVersion is a row of NodesSNPTCB.
type TCBVersion struct {
	BootLoader *uint64 `json:"boot_loader,omitempty"`
	FMC        *uint64 `json:"fmc,omitempty"`
	HexString  string  `json:"hexstring,omitempty"`
	Microcode  *uint64 `json:"microcode,omitempty"`
	SNP        *uint64 `json:"snp,omitempty"`
	TEE        *uint64 `json:"tee,omitempty"`
}

// UVMFeed is the least acceptable version of one feed of a DID.
type UVMFeed struct {
	SVN string `json:"svn"`
}
