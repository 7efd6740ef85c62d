// What members can decide, by name. An action has two halves: validate(args)
// throws when a proposal may not even be made, apply(args, proposalId) changes
// the tables of the service. Files that follow this one can add more.
class Action {
  constructor(validate, apply) {
    this.validate = validate;
    this.apply = apply;
  }
}

const actions = new Map();

function define(name, validate, apply) {
  actions.set(name, new Action(validate, apply));
}

// ---- tables ---------------------------------------------------------------

// The key of tables that have a single row, and the value of set members.
const ONLY = new ArrayBuffer(8);

const ALLOWED = "AllowedToJoin";

const gov = (name) => ccf.kv[`public:ccf.gov.${name}`];
const keyOf = (key) => (key === undefined ? ONLY : ccf.strToBuf(key));

// JSON rows; without a key, the row of a single-row table.
function get(table, key) {
  const row = gov(table).get(keyOf(key));
  return row === undefined ? undefined : ccf.bufToJsonCompatible(row);
}

function put(table, key, value) {
  gov(table).set(keyOf(key), ccf.jsonCompatibleToBuf(value));
}

function putText(table, key, text) {
  gov(table).set(keyOf(key), ccf.strToBuf(text));
}

function drop(table, key) {
  gov(table).delete(keyOf(key));
}

function has(table, key) {
  return gov(table).has(keyOf(key));
}

function required(row, complaint) {
  if (row === undefined) {
    throw new Error(complaint);
  }
  return row;
}

const serviceConfig = () => required(get("service.config"), "Service configuration could not be found");

// After a change of the rules, what was proposed under the old ones is void.
function dropOtherOpenProposals(proposalId) {
  gov("proposals_info").forEach((row, key) => {
    const info = ccf.bufToJsonCompatible(row);
    if (info.state === "Open" && ccf.bufToStr(key) !== proposalId) {
      info.state = "Dropped";
      gov("proposals_info").set(key, ccf.jsonCompatibleToBuf(info));
    }
  });
}

// ---- checks: `field` is what the message calls the value -------------------

const absent = (value) => value === null || value === undefined;

function checkType(value, type, field) {
  const wanted = type.replace(/\?$/, "");
  if (wanted !== type && absent(value)) {
    return;
  }
  if (wanted === "array") {
    if (!Array.isArray(value)) {
      throw new Error(`${field} must be an array`);
    }
  } else if (wanted === "integer") {
    if (!Number.isInteger(value)) {
      throw new Error(`${field} must be an integer`);
    }
  } else if (typeof value !== wanted) {
    throw new Error(`${field} must be of type ${wanted} but is ${typeof value}`);
  }
}

function checkEnum(value, members, field) {
  if (!members.includes(value)) {
    throw new Error(`${field} must be one of ${members}`);
  }
}

function checkBounds(value, low, high, field) {
  if (low !== null && value < low) {
    throw new Error(`${field} must be greater than ${low}`);
  }
  if (high !== null && value > high) {
    throw new Error(`${field} must be lower than ${high}`);
  }
}

function checkLength(value, min, field) {
  checkType(value, "array", field);
  if (value.length < min) {
    throw new Error(`${field} must be an array of minimum ${min} elements`);
  }
}

function checkNone(args) {
  if (!absent(args)) {
    throw new Error(`Proposal does not accept any argument, found "${args}"`);
  }
}

const ID_LENGTH = 64;

function checkEntityId(value, field) {
  checkType(value, "string", field);
  if (value.length !== ID_LENGTH) {
    throw new Error(`${field} must contain exactly ${ID_LENGTH} characters`);
  }
  if (!/^[0-9a-fA-F]+$/.test(value)) {
    throw new Error(`${field} contains non-hexadecimal character`);
  }
}

function hexToBytes(hex) {
  if (hex.length % 2 !== 0) {
    throw new Error("Hex string invalid: length must be multiple of 2");
  }
  const bytes = (hex.match(/[^]{2}/g) ?? []).map((octet) => {
    if (!/^[0-9a-fA-F]{2}$/.test(octet)) {
      throw new Error(`Hex string invalid: Non-hex character ${octet}`);
    }
    return parseInt(octet, 16);
  });
  return new Uint8Array(bytes).buffer;
}

function checkHexBytes(value, bytes, field) {
  checkType(value, "string", field);
  const { byteLength } = hexToBytes(value);
  if (value !== value.toLowerCase()) {
    throw new Error(`${field} must be a lowercase hex string: ${value}`);
  }
  if (byteLength !== bytes) {
    throw new Error(`${field} must convert to exactly ${bytes} bytes`);
  }
}

function checkX509CertBundle(value, field) {
  if (!ccf.crypto.isValidX509CertBundle(value)) {
    throw new Error(`${field} must be a valid X509 certificate (bundle) in PEM format`);
  }
}

function checkValidity(args) {
  checkType(args.valid_from, "string", "valid_from");
  if (args.validity_period_days !== undefined) {
    checkType(args.validity_period_days, "integer", "validity_period_days");
    checkBounds(args.validity_period_days, 1, null, "validity_period_days");
  }
}

// ---- the constitution itself ----------------------------------------------

define(
  "set_constitution",
  (args) => {
    checkType(args.constitution, "string", "constitution");
    ccf.gov.validateConstitution(args.constitution);
  },
  ({ constitution }, proposalId) => {
    put("constitution", undefined, constitution);
    dropOtherOpenProposals(proposalId);
  },
);

// ---- members and users ----------------------------------------------------

// Active members that hold an encryption key, and so a share of the recovery key.
function countRecoveryMembers() {
  let count = 0;
  gov("members.encryption_public_keys").forEach((_, key) => {
    const id = ccf.bufToStr(key);
    const { status } = required(get("members.info", id), `Recovery member ${id} has no information`);
    count += status === "Active" ? 1 : 0;
  });
  return count;
}

define(
  "set_member",
  (args) => {
    checkX509CertBundle(args.cert, "cert");
    checkType(args.member_data, "object?", "member_data");
    const role = args.recovery_role;
    if (role !== undefined) {
      checkEnum(role, ["NonParticipant", "Participant", "Owner"], "recovery_role");
      if (absent(args.encryption_pub_key)) {
        throw new Error("Cannot specify a recovery_role value when encryption_pub_key is not specified");
      }
    }
  },
  ({ cert, encryption_pub_key, member_data, recovery_role }) => {
    const id = ccf.pemToId(cert);
    putText("members.certs", id, cert);
    if (absent(encryption_pub_key)) {
      drop("members.encryption_public_keys", id);
    } else {
      putText("members.encryption_public_keys", id, encryption_pub_key);
    }
    put("members.info", id, { member_data, recovery_role, status: "Accepted" });
    // The member becomes active by signing this digest of the state.
    const signature = ccf.kv["public:ccf.internal.signatures"].get(ONLY);
    const { root } = ccf.bufToJsonCompatible(signature);
    put("members.acks", id, { state_digest: root });
  },
);

define(
  "remove_member",
  (args) => checkEntityId(args.member_id, "member_id"),
  ({ member_id }) => {
    const info = get("members.info", member_id);
    if (info === undefined) {
      return; // so that the same removal can be proposed twice
    }
    const holdsShare = info.status === "Active" && has("members.encryption_public_keys", member_id);
    if (holdsShare) {
      const { recovery_threshold } = serviceConfig();
      const left = countRecoveryMembers() - 1;
      if (left < recovery_threshold) {
        throw new Error(`Number of active recovery members (${left}) would be less than recovery threshold (${recovery_threshold})`);
      }
    }
    for (const table of ["info", "encryption_public_keys", "certs", "acks"]) {
      drop(`members.${table}`, member_id);
    }
    drop("history", member_id);
    if (holdsShare) {
      // The old shares must open nothing that is written from here on.
      ccf.node.triggerLedgerRekey();
    }
  },
);

define(
  "set_member_data",
  (args) => {
    checkEntityId(args.member_id, "member_id");
    checkType(args.member_data, "object", "member_data");
  },
  ({ member_id, member_data }) => {
    const info = required(get("members.info", member_id), `Member ${member_id} does not exist`);
    info.member_data = member_data;
    put("members.info", member_id, info);
  },
);

function setUserData(id, user_data) {
  if (absent(user_data)) {
    drop("users.info", id);
  } else {
    put("users.info", id, { user_data });
  }
}

define(
  "set_user",
  (args) => {
    checkX509CertBundle(args.cert, "cert");
    checkType(args.user_data, "object?", "user_data");
  },
  ({ cert, user_data }) => {
    const id = ccf.pemToId(cert);
    putText("users.certs", id, cert);
    setUserData(id, user_data);
  },
);

define(
  "remove_user",
  (args) => checkEntityId(args.user_id, "user_id"),
  ({ user_id }) => {
    drop("users.certs", user_id);
    drop("users.info", user_id);
  },
);

define(
  "set_user_data",
  (args) => {
    checkEntityId(args.user_id, "user_id");
    checkType(args.user_data, "object?", "user_data");
  },
  ({ user_id, user_data }) => setUserData(user_id, user_data),
);

// ---- service configuration and recovery -----------------------------------

const MAX_THRESHOLD = 254;
const MAX_WINDOW = 10000;

function checkThresholdChange(now, next) {
  if (next === undefined || next === now) {
    return;
  }
  const { status } = required(get("service.info"), "Service information could not be found");
  if (status === "WaitingForRecoveryShares") {
    throw new Error(`Cannot set recovery threshold if service is ${status}`);
  }
  if (status === "Open") {
    const holders = countRecoveryMembers();
    if (next > holders) {
      throw new Error(`Cannot set recovery threshold to ${next}: recovery threshold would be greater than the number of recovery members ${holders}`);
    }
  }
}

function checkReconfigurationChange(now, next) {
  const allowed = absent(now) || now === "OneTransaction" ? [now, "TwoTransaction"] : [now];
  if (next !== undefined && !allowed.includes(next)) {
    throw new Error(`Cannot change reconfiguration type from ${now} to ${next}.`);
  }
}

function updateServiceConfig(changes) {
  const config = serviceConfig();
  checkReconfigurationChange(config.reconfiguration_type, changes.reconfiguration_type);
  checkThresholdChange(config.recovery_threshold, changes.recovery_threshold);
  const reshare = changes.recovery_threshold !== undefined && changes.recovery_threshold !== config.recovery_threshold;
  put("service.config", undefined, { ...config, ...changes });
  if (reshare) {
    ccf.node.triggerRecoverySharesRefresh();
  }
}

define(
  "set_recovery_threshold",
  (args) => {
    checkType(args.recovery_threshold, "integer", "threshold");
    checkBounds(args.recovery_threshold, 1, MAX_THRESHOLD, "threshold");
  },
  ({ recovery_threshold }) => updateServiceConfig({ recovery_threshold }),
);

const CONFIGURABLE = ["reconfiguration_type", "recovery_threshold", "recent_cose_proposals_window_size"];

define(
  "set_service_configuration",
  (args) => {
    for (const key in args) {
      if (!CONFIGURABLE.includes(key)) {
        throw new Error(`Cannot change ${key} via set_service_configuration.`);
      }
    }
    checkType(args.reconfiguration_type, "string?", "reconfiguration type");
    checkType(args.recovery_threshold, "integer?", "recovery threshold");
    checkBounds(args.recovery_threshold, 1, MAX_THRESHOLD, "recovery threshold");
    checkType(args.recent_cose_proposals_window_size, "integer?", "recent cose proposals window size");
    checkBounds(args.recent_cose_proposals_window_size, 1, MAX_WINDOW, "recent cose proposals window size");
  },
  (args) => updateServiceConfig(args),
);

define("trigger_recovery_shares_refresh", checkNone, () => ccf.node.triggerRecoverySharesRefresh());
define("trigger_ledger_rekey", checkNone, () => ccf.node.triggerLedgerRekey());
define("trigger_ledger_chunk", () => {}, () => ccf.node.triggerLedgerChunk());
define("trigger_snapshot", () => {}, () => ccf.node.triggerSnapshot());

define(
  "transition_service_to_open",
  (args) => {
    checkType(args.next_service_identity, "string", "next service identity (PEM certificate)");
    checkX509CertBundle(args.next_service_identity, "next_service_identity");
    if (args.previous_service_identity !== undefined) {
      checkType(args.previous_service_identity, "string?", "previous service identity (PEM certificate)");
      checkX509CertBundle(args.previous_service_identity, "previous_service_identity");
    }
  },
  ({ previous_service_identity, next_service_identity }) => {
    const { status } = required(get("service.info"), "Service information could not be found");
    if (status === "Recovering" && (previous_service_identity === undefined || next_service_identity === undefined)) {
      throw new Error("Opening a recovering network requires both, the previous and the next service identity");
    }
    const previous = previous_service_identity === undefined ? undefined : ccf.strToBuf(previous_service_identity);
    ccf.node.transitionServiceToOpen(previous, ccf.strToBuf(next_service_identity));
  },
);

define(
  "assert_service_identity",
  (args) => {
    checkX509CertBundle(args.service_identity, "service_identity");
    const { cert } = required(get("service.info"), "Service information could not be found");
    if (cert !== args.service_identity) {
      throw new Error("Service identity certificate mismatch");
    }
  },
  () => {},
);

// ---- JavaScript applications ----------------------------------------------

function checkPolicies(policies, field) {
  checkType(policies, "array", field);
  policies.forEach((policy, i) => {
    if (typeof policy === "string") {
      return;
    }
    if (typeof policy !== "object") {
      throw new Error(`${field}[${i}] must be of type string or object but is ${typeof policy}`);
    }
    const all = policy.all_of;
    checkType(all, "array", `${field}[${i}].all_of`);
    all.forEach((name, j) => checkType(name, "string", `${field}[${i}].all_of[${j}]`));
  });
}

function checkOperation(op, modules, field) {
  checkType(op, "object", field);
  checkType(op.js_module, "string", `${field}.js_module`);
  checkType(op.js_function, "string", `${field}.js_function`);
  checkEnum(op.mode, ["readwrite", "readonly", "historical"], `${field}.mode`);
  checkEnum(op.forwarding_required, ["sometimes", "always", "never"], `${field}.forwarding_required`);
  if (op.redirection_strategy !== undefined) {
    checkEnum(op.redirection_strategy, ["none", "to_primary", "to_backup"], `${field}.redirection_strategy`);
  }
  checkType(op.openapi, "object?", `${field}.openapi`);
  checkType(op.openapi_hidden, "boolean?", `${field}.openapi_hidden`);
  checkPolicies(op.authn_policies, `${field}.authn_policies`);
  if (!modules.some(({ name }) => name === op.js_module)) {
    throw new Error(`module '${op.js_module}' not found in bundle`);
  }
}

function checkBundle(bundle) {
  checkType(bundle, "object", "bundle");
  checkType(bundle.modules, "array", "bundle.modules");
  bundle.modules.forEach((module, i) => {
    checkType(module, "object", `bundle.modules[${i}]`);
    checkType(module.name, "string", `bundle.modules[${i}].name`);
    checkType(module.module, "string", `bundle.modules[${i}].module`);
  });
  checkType(bundle.metadata, "object", "bundle.metadata");
  const endpoints = bundle.metadata.endpoints;
  checkType(endpoints, "object", "bundle.metadata.endpoints");
  for (const [url, operations] of Object.entries(endpoints)) {
    const field = `bundle.metadata.endpoints["${url}"]`;
    checkType(operations, "object", field);
    for (const [method, op] of Object.entries(operations)) {
      checkOperation(op, bundle.modules, `${field}["${method}"]`);
    }
  }
}

define(
  "set_js_app",
  (args) => {
    checkBundle(args.bundle);
    checkType(args.disable_bytecode_cache, "boolean?", "disable_bytecode_cache");
  },
  ({ bundle, disable_bytecode_cache }) => {
    gov("modules").clear();
    gov("endpoints").clear();
    for (const { name, module } of bundle.modules) {
      putText("modules", `/${name}`, module);
    }
    if (disable_bytecode_cache) {
      gov("modules_quickjs_bytecode").clear();
      gov("modules_quickjs_version").clear();
    } else {
      ccf.refreshAppBytecodeCache();
    }
    put("interpreter.flush", undefined, true);
    for (const [url, operations] of Object.entries(bundle.metadata.endpoints)) {
      for (const [method, op] of Object.entries(operations)) {
        put("endpoints", `${method.toUpperCase()} ${url}`, { ...op, js_module: `/${op.js_module}` });
      }
    }
  },
);

define("remove_js_app", () => {}, () => {
  for (const table of ["modules", "modules_quickjs_bytecode", "modules_quickjs_version", "interpreter.flush", "endpoints"]) {
    gov(table).clear();
  }
});

define("refresh_js_app_bytecode_cache", () => {}, () => ccf.refreshAppBytecodeCache());

define(
  "set_js_runtime_options",
  (args) => {
    checkType(args.max_heap_bytes, "integer", "max_heap_bytes");
    checkType(args.max_stack_bytes, "integer", "max_stack_bytes");
    checkType(args.max_execution_time_ms, "integer", "max_execution_time_ms");
    checkType(args.log_exception_details, "boolean?", "log_exception_details");
    checkType(args.return_exception_details, "boolean?", "return_exception_details");
    checkType(args.max_cached_interpreters, "integer?", "max_cached_interpreters");
  },
  (args) => put("js_runtime_options", undefined, args),
);

// ---- certificate bundles and token issuers --------------------------------

define(
  "set_ca_cert_bundle",
  (args) => {
    checkType(args.name, "string", "name");
    checkX509CertBundle(args.cert_bundle, "cert_bundle");
  },
  ({ name, cert_bundle }) => put("tls.ca_cert_bundles", name, cert_bundle),
);

define(
  "remove_ca_cert_bundle",
  (args) => checkType(args.name, "string", "name"),
  ({ name }) => drop("tls.ca_cert_bundles", name),
);

function checkKey(jwk, field) {
  checkType(jwk.kid, "string", `${field}.kid`);
  checkType(jwk.kty, "string", `${field}.kty`);
  if (jwk.x5c) {
    checkLength(jwk.x5c, 1, `${field}.x5c`);
    jwk.x5c.forEach((der, i) => {
      checkType(der, "string", `${field}.x5c[${i}]`);
      checkX509CertBundle(`-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----`, `${field}.x5c[${i}]`);
    });
  } else if (jwk.n && jwk.e) {
    checkType(jwk.n, "string", `${field}.n`);
    checkType(jwk.e, "string", `${field}.e`);
  } else if (jwk.x && jwk.y && jwk.crv) {
    checkType(jwk.x, "string", `${field}.x`);
    checkType(jwk.y, "string", `${field}.y`);
    checkType(jwk.crv, "string", `${field}.crv`);
  } else {
    throw new Error("JWK must contain either x5c, or n/e for RSA key type, or x/y/crv for EC key type");
  }
}

function checkKeySet(jwks, field) {
  checkType(jwks, "object", field);
  checkType(jwks.keys, "array", `${field}.keys`);
  jwks.keys.forEach((jwk, i) => checkKey(jwk, `${field}.keys[${i}]`));
}

// Keys are only fetched from where a certificate can vouch for the host.
function checkFetchable(issuer) {
  if (!issuer.startsWith("https:")) {
    throw new Error("issuer must be a URL starting with https:// if auto_refresh is true");
  }
  if (/[?#]./.test(issuer)) {
    throw new Error("issuer must be a URL without query/fragment if auto_refresh is true");
  }
}

define(
  "set_jwt_issuer",
  (args) => {
    checkType(args.issuer, "string", "issuer");
    checkType(args.auto_refresh, "boolean?", "auto_refresh");
    checkType(args.ca_cert_bundle_name, "string?", "ca_cert_bundle_name");
    checkType(args.jwks, "object?", "jwks");
    if (args.jwks) {
      checkKeySet(args.jwks, "jwks");
    }
    if (args.auto_refresh) {
      if (!args.ca_cert_bundle_name) {
        throw new Error("ca_cert_bundle_name is missing but required if auto_refresh is true");
      }
      checkFetchable(args.issuer);
    }
  },
  ({ jwks, ...metadata }) => {
    const { issuer, auto_refresh, ca_cert_bundle_name } = metadata;
    if (auto_refresh && !has("tls.ca_cert_bundles", ca_cert_bundle_name)) {
      throw new Error(`No CA cert bundle found with name '${ca_cert_bundle_name}'`);
    }
    if (jwks) {
      ccf.setJwtPublicSigningKeys(issuer, metadata, jwks);
    }
    put("jwt.issuers", issuer, metadata);
  },
);

define(
  "set_jwt_public_signing_keys",
  (args) => {
    checkType(args.issuer, "string", "issuer");
    checkKeySet(args.jwks, "jwks");
  },
  ({ issuer, jwks }) => {
    const metadata = required(get("jwt.issuers", issuer), `issuer ${issuer} not found`);
    ccf.setJwtPublicSigningKeys(issuer, metadata, jwks);
  },
);

define(
  "remove_jwt_issuer",
  (args) => checkType(args.issuer, "string", "issuer"),
  ({ issuer }) => {
    if (has("jwt.issuers", issuer)) {
      drop("jwt.issuers", issuer);
      ccf.removeJwtPublicSigningKeys(issuer);
    }
  },
);

// ---- which code may join --------------------------------------------------

// Code is known by a text: one action adds it to a table, one removes it.
function defineCode(add, remove, check, change) {
  define(add, check, (args, proposalId) => {
    change(args, put, ALLOWED);
    dropOtherOpenProposals(proposalId);
  });
  define(remove, check, (args) => change(args, drop));
}

defineCode(
  "add_node_code",
  "remove_node_code",
  (args) => checkType(args.code_id, "string", "code_id"),
  ({ code_id }, change, value) => change("nodes.code_ids", code_id, value),
);

defineCode(
  "add_snp_measurement",
  "remove_snp_measurement",
  (args) => checkType(args.measurement, "string", "measurement"),
  ({ measurement }, change, value) => change("nodes.snp.measurements", measurement, value),
);

define(
  "add_snp_uvm_endorsement",
  (args) => {
    checkType(args.did, "string", "did");
    checkType(args.feed, "string", "feed");
    checkType(args.svn, "string", "svn");
  },
  ({ did, feed, svn }, proposalId) => {
    put("nodes.snp.uvm_endorsements", did, { ...get("nodes.snp.uvm_endorsements", did), [feed]: { svn } });
    dropOtherOpenProposals(proposalId);
  },
);

define(
  "remove_snp_uvm_endorsement",
  (args) => {
    checkType(args.did, "string", "did");
    checkType(args.feed, "string", "feed");
  },
  ({ did, feed }) => {
    const feeds = get("nodes.snp.uvm_endorsements", did) ?? {};
    delete feeds[feed];
    if (Object.keys(feeds).length === 0) {
      drop("nodes.snp.uvm_endorsements", did);
    } else {
      put("nodes.snp.uvm_endorsements", did, feeds);
    }
  },
);

define(
  "add_snp_host_data",
  (args) => {
    checkType(args.security_policy, "string", "security_policy");
    checkType(args.host_data, "string", "host_data");
    if (args.security_policy !== "") {
      const digest = ccf.bufToStr(ccf.crypto.digest("SHA-256", ccf.strToBuf(args.security_policy)));
      const hostData = ccf.bufToStr(hexToBytes(args.host_data));
      if (digest !== hostData) {
        throw new Error(`The hash of raw policy ${digest} does not match digest ${hostData}`);
      }
    }
  },
  ({ host_data, security_policy }, proposalId) => {
    put("nodes.snp.host_data", host_data, security_policy);
    dropOtherOpenProposals(proposalId);
  },
);

define(
  "remove_snp_host_data",
  (args) => checkType(args.host_data, "string", "host_data"),
  ({ host_data }) => drop("nodes.snp.host_data", host_data),
);

const CPUID_BYTES = 4;
const TCB_BYTES = 8;

define(
  "set_snp_minimum_tcb_version",
  (args) => {
    checkHexBytes(args.cpuid, CPUID_BYTES, "cpuid");
    checkType(args.tcb_version, "object", "tcb_version");
    for (const part of ["boot_loader", "tee", "snp", "microcode"]) {
      checkType(args.tcb_version?.[part], "number", `tcb_version.${part}`);
    }
  },
  ({ cpuid, tcb_version }, proposalId) => {
    put("nodes.snp.tcb_versions", cpuid, tcb_version);
    dropOtherOpenProposals(proposalId);
  },
);

define(
  "set_snp_minimum_tcb_version_hex",
  (args) => {
    checkHexBytes(args.cpuid, CPUID_BYTES, "cpuid");
    checkHexBytes(args.tcb_version, TCB_BYTES, "tcb_version");
  },
  ({ cpuid, tcb_version }, proposalId) => {
    put("nodes.snp.tcb_versions", cpuid, ccf.tcbHexToPolicy(cpuid, tcb_version));
    dropOtherOpenProposals(proposalId);
  },
);

define(
  "remove_snp_minimum_tcb_version",
  (args) => checkHexBytes(args.cpuid, CPUID_BYTES, "cpuid"),
  ({ cpuid }) => {
    if (!has("nodes.snp.tcb_versions", cpuid)) {
      throw new Error(`CPUID ${cpuid} not found`);
    }
    drop("nodes.snp.tcb_versions", cpuid);
  },
);

// ---- nodes and certificates -----------------------------------------------

define(
  "set_node_data",
  (args) => checkEntityId(args.node_id, "node_id"),
  ({ node_id, node_data }) => {
    // Tools know this message with the key in it, not the id.
    const info = required(get("nodes.info", node_id), `Node ${ccf.strToBuf(node_id)} does not exist`);
    info.node_data = node_data;
    put("nodes.info", node_id, info);
  },
);

define(
  "transition_node_to_trusted",
  (args) => {
    checkEntityId(args.node_id, "node_id");
    checkValidity(args);
  },
  ({ node_id, valid_from, validity_period_days }) => {
    const config = serviceConfig();
    const info = required(get("nodes.info", node_id), `No such node: ${node_id}`);
    if (info.status !== "Pending") {
      return;
    }
    info.status = "Trusted";
    info.ledger_secret_seqno = ccf.network.getLatestLedgerSecretSeqno();
    put("nodes.info", node_id, info);
    if (info.certificate_signing_request === undefined) {
      return;
    }
    const max = config.maximum_node_certificate_validity_days ?? DEFAULT_DAYS;
    if (validity_period_days > max) {
      throw new Error(`Validity period ${validity_period_days} is not allowed: max allowed is ${max}`);
    }
    endorse(node_id, info, valid_from, validity_period_days ?? max);
  },
);

define(
  "remove_node",
  (args) => checkEntityId(args.node_id, "node_id"),
  ({ node_id }) => {
    const info = get("nodes.info", node_id);
    if (info === undefined) {
      return;
    }
    if (info.status === "Pending") {
      drop("nodes.info", node_id);
    } else {
      info.status = "Retired";
      put("nodes.info", node_id, info);
    }
  },
);

const DEFAULT_DAYS = 365;

function endorse(nodeId, info, validFrom, days) {
  const cert = ccf.network.generateEndorsedCertificate(info.certificate_signing_request, validFrom, days);
  putText("nodes.endorsed_certificates", nodeId, cert);
}

function allowedDays(days, max = DEFAULT_DAYS) {
  if (days !== undefined && days > max) {
    throw new Error(`Validity period ${days} (days) is not allowed: service max allowed is ${max} (days)`);
  }
  return days ?? max;
}

function renewNodeCertificate(nodeId, info, { valid_from, validity_period_days }) {
  if (info.certificate_signing_request === undefined) {
    throw new Error(`Node ${nodeId} has no certificate signing request`);
  }
  const days = allowedDays(validity_period_days, serviceConfig().maximum_node_certificate_validity_days);
  endorse(nodeId, info, valid_from, days);
}

define(
  "set_node_certificate_validity",
  (args) => {
    checkEntityId(args.node_id, "node_id");
    checkValidity(args);
  },
  (args) => {
    const info = required(get("nodes.info", args.node_id), `No such node: ${args.node_id}`);
    if (info.status !== "Trusted") {
      throw new Error(`Node ${args.node_id} is not trusted`);
    }
    renewNodeCertificate(args.node_id, info, args);
  },
);

define(
  "set_all_nodes_certificate_validity",
  (args) => checkValidity(args),
  (args) => {
    gov("nodes.info").forEach((row, key) => {
      const info = ccf.bufToJsonCompatible(row);
      if (info.status === "Trusted") {
        renewNodeCertificate(ccf.bufToStr(key), info, args);
      }
    });
  },
);

define(
  "set_service_certificate_validity",
  (args) => checkValidity(args),
  ({ valid_from, validity_period_days }) => {
    const days = allowedDays(validity_period_days, serviceConfig().maximum_service_certificate_validity_days);
    const info = required(get("service.info"), "Service info could not be found");
    info.cert = ccf.network.generateNetworkCertificate(valid_from, days);
    put("service.info", undefined, info);
  },
);
