// Package config reads the node's configuration file: CCF 7's JSON, or the same
// in YAML, with CONCORDAT_* variables and --set flags over it.
//
// Every key of CCF 7's schema is known. One that has no effect in this version is
// named for the log; one that nobody knows is an error that names its place. The
// file is never guessed at: a wrong type, size or time says where it stands.
package config

// Node is the whole file. Members keep CCF's names and meaning (its
// configuration schema); those below "Concordat's own" exist only here.
type Node struct {
	Network           Network           `key:"network,required"`
	Command           Command           `key:"command,required"`
	NodeCertificate   NodeCertificate   `key:"node_certificate"`
	NodeDataFile      string            `key:"node_data_json_file"`
	ServiceDataFile   string            `key:"service_data_json_file"`
	Attestation       Attestation       `key:"attestation"`
	Ledger            Ledger            `key:"ledger"`
	Snapshots         Snapshots         `key:"snapshots"`
	Logging           Logging           `key:"logging"`
	Consensus         Consensus         `key:"consensus"`
	LedgerSignatures  Signatures        `key:"ledger_signatures"`
	JWT               JWT               `key:"jwt"`
	Output            Output            `key:"output_files"`
	TickInterval      Duration          `key:"tick_interval,idle"`
	SlowIO            Duration          `key:"slow_io_logging_threshold,idle"`
	ClientInterface   string            `key:"node_client_interface,idle"`
	ConnectionTimeout Duration          `key:"client_connection_timeout,idle"`
	IdleTimeout       *Duration         `key:"idle_connection_timeout,nullable"`
	WorkerThreads     uint64            `key:"worker_threads,idle"`
	Memory            Memory            `key:"memory,idle"`
	IgnoreFirstTerm   bool              `key:"ignore_first_sigterm"`
	MessageLimit      Size              `key:"node_to_node_message_limit,idle"`
	HistoricalLimit   Size              `key:"historical_cache_soft_limit"`
	Set               map[string]string `key:"-"` // overrides that were applied, for the log
}

// Network is where the node listens.
type Network struct {
	NodeToNode Address              `key:"node_to_node_interface,required"`
	RPC        map[string]Interface `key:"rpc_interfaces,required"`
}

// Address is a place to bind to and the one to tell others.
type Address struct {
	Bind      string `key:"bind_address,required"`
	Published string `key:"published_address"`
}

// Interface is one listening address for clients. Raw is the object as the file
// has it, since /node/network/nodes echoes it.
type Interface struct {
	Bind              string              `key:"bind_address,required"`
	Published         string              `key:"published_address"`
	Protocol          string              `key:"protocol,one of:tcp|udp"`
	AppProtocol       string              `key:"app_protocol,one of:HTTP1|HTTP2"`
	SoftCap           *uint64             `key:"max_open_sessions_soft"`
	HardCap           *uint64             `key:"max_open_sessions_hard"`
	HTTP              HTTP                `key:"http_configuration"`
	Endorsement       Endorsement         `key:"endorsement"`
	Accepted          []string            `key:"accepted_endpoints"`
	ForwardingTimeout *uint64             `key:"forwarding_timeout_ms,idle"`
	Redirections      map[string]Redirect `key:"redirections"`
	Features          []string            `key:"enabled_operator_features,idle"` // what they allow comes later
	// Concordat's own: offer X25519MLKEM768 before the groups CCF has.
	HybridKeyExchange bool           `key:"hybrid_key_exchange"`
	Raw               map[string]any `key:"-raw"`
}

// HTTP bounds requests on one interface.
type HTTP struct {
	MaxBody    Size   `key:"max_body_size"`
	MaxHeader  Size   `key:"max_header_size"`
	MaxHeaders uint64 `key:"max_headers_count"`
	MaxStreams uint64 `key:"max_concurrent_streams_count"`
	Window     Size   `key:"initial_window_size"`
	MaxFrame   Size   `key:"max_frame_size"`
}

// Endorsement says which certificate an interface presents.
type Endorsement struct {
	Authority string `key:"authority,one of:Service|Node|Unsecured|ACME"`
	ACME      any    `key:"acme_configuration,idle"`
}

// Redirect is where requests for a node of another role are sent.
type Redirect struct {
	Kind   string `key:"kind,required,one of:NodeByRole|StaticAddress"`
	Target Target `key:"target"`
}

// Target is the other end of a redirection.
type Target struct {
	Role      string `key:"role,one of:primary|backup"`
	Interface string `key:"interface"`
	Address   string `key:"address"`
}

// Command says what the node is to do.
type Command struct {
	Type        string  `key:"type,required,one of:Start|Join|Recover"`
	ServiceCert string  `key:"service_certificate_file"`
	Start       Start   `key:"start"`
	Join        Join    `key:"join,idle"`
	Recover     Recover `key:"recover,idle"`
}

// Start creates a new service.
type Start struct {
	Constitution   []string      `key:"constitution_files"`
	Members        []Member      `key:"members"`
	Service        ServiceConfig `key:"service_configuration"`
	CertDays       uint64        `key:"initial_service_certificate_validity_days"`
	ServiceSubject string        `key:"service_subject_name"`
	COSE           *COSE         `key:"cose_signatures"`
}

// Member is one of the consortium's first members.
type Member struct {
	Cert          string `key:"certificate_file,required"`
	EncryptionKey string `key:"encryption_public_key_file"`
	Data          string `key:"data_json_file"`
	RecoveryRole  string `key:"recovery_role,one of:NonParticipant|Participant|Owner"`
}

// ServiceConfig is the first row of the service's own configuration.
type ServiceConfig struct {
	Threshold       uint64  `key:"recovery_threshold"`
	NodeCertDays    *uint64 `key:"maximum_node_certificate_validity_days"`
	ServiceCertDays *uint64 `key:"maximum_service_certificate_validity_days"`
	Window          *uint64 `key:"recent_cose_proposals_window_size"`
	Reconfiguration string  `key:"reconfiguration_type"`
	Consensus       string  `key:"consensus,idle"`
}

// COSE names the issuer and subject of the service's signatures.
type COSE struct {
	Issuer  string `key:"issuer,required"`
	Subject string `key:"subject,required"`
}

// Join and Recover are read so that such a file is understood; see the command.
type Join struct {
	Target         string   `key:"target_rpc_address"`
	Retry          Duration `key:"retry_timeout"`
	FollowRedirect bool     `key:"follow_redirect"`
	FetchSnapshot  bool     `key:"fetch_recent_snapshot"`
	FetchAttempts  uint64   `key:"fetch_snapshot_max_attempts"`
	FetchInterval  Duration `key:"fetch_snapshot_retry_interval"`
	FetchMax       Size     `key:"fetch_snapshot_max_size"`
}

// Recover is read like Join.
type Recover struct {
	CertDays         uint64         `key:"initial_service_certificate_validity_days"`
	PreviousIdentity string         `key:"previous_service_identity_file"`
	PreviousSealed   string         `key:"previous_sealed_ledger_secret_location"`
	Constitution     []string       `key:"constitution_files"`
	SelfHealing      map[string]any `key:"self_healing_open"`
}

// NodeCertificate shapes the node's certificate; the curve is the service's too.
type NodeCertificate struct {
	Subject string   `key:"subject_name"`
	SANs    []string `key:"subject_alt_names"`
	Curve   string   `key:"curve_id,one of:Secp384R1|Secp256R1"`
	Days    uint64   `key:"initial_validity_days"`
}

// Attestation names files of platforms that are not virtual.
type Attestation struct {
	PolicyFile       string           `key:"snp_security_policy_file,idle"`
	UVMFile          string           `key:"snp_uvm_endorsements_file,idle"`
	EndorsementsFile string           `key:"snp_endorsements_file,idle"`
	Servers          []map[string]any `key:"snp_endorsements_servers,idle"`
	Environment      map[string]any   `key:"environment,idle"`
}

// Ledger says where entries go.
type Ledger struct {
	Directory string   `key:"directory"`
	ReadOnly  []string `key:"read_only_directories,idle"`
	ChunkSize Size     `key:"chunk_size"`
	// Concordat's own: what "committed" promises about this machine's disk.
	Sync string `key:"sync,one of:commit|async|none"`
	// Concordat's own: where state that does not fit in memory is kept, sealed under
	// keys that live in memory only; "" keeps all of it in memory.
	State string `key:"state_directory"`
}

// Snapshots are accepted and not yet made.
type Snapshots struct {
	Directory string `key:"directory,idle"`
	TxCount   uint64 `key:"tx_count,idle"`
	ReadOnly  string `key:"read_only_directory,idle"`
}

// Logging shapes the log.
type Logging struct {
	Format    string `key:"format,one of:Text|Json"`
	HostLevel string `key:"host_level,idle"`
}

// Consensus holds the timeouts of a group.
type Consensus struct {
	MessageTimeout  Duration `key:"message_timeout,idle"`  // a lone node sends none
	ElectionTimeout Duration `key:"election_timeout,idle"` // and elects itself
	MaxUncommitted  uint64   `key:"max_uncommitted_tx_count"`
}

// Signatures bound how long a transaction waits for its signature. Below the
// bounds the node signs as soon as it can afford to.
type Signatures struct {
	TxCount uint64   `key:"tx_count"`
	Delay   Duration `key:"delay"`
	Mode    string   `key:"mode,one of:Dual"`
	// Concordat's own: signatures a second in the long run, and in a burst.
	Rate  uint64 `key:"rate"`
	Burst uint64 `key:"burst"`
}

// JWT is accepted; keys are set by governance only.
type JWT struct {
	RefreshInterval Duration `key:"key_refresh_interval,idle"`
}

// Output names the files a node writes when it starts; an empty name writes none.
type Output struct {
	NodeCert     string `key:"node_certificate_file"`
	PID          string `key:"pid_file"`
	NodeAddress  string `key:"node_to_node_address_file"`
	RPCAddresses string `key:"rpc_addresses_file"`
	Sealed       string `key:"sealed_ledger_secret_location,idle"`
}

// Memory sized CCF's ring buffers.
type Memory struct {
	Circuit  Size `key:"circuit_size"`
	Message  Size `key:"max_msg_size"`
	Fragment Size `key:"max_fragment_size"`
}
