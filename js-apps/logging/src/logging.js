// A log of messages by id, kept twice over: in a private table, which only
// the service can read, and in a public one, which every auditor can.
//
// Tables: "records" and "public:records"; with ?scope=S in the query
// "records-S" and "public:records-S". Key: the id as text. Value: the message.
//
// Nothing is computed at module level and nothing is kept between requests, so
// the endpoints may share one interpreter.

const PRIVATE = "records";
const PUBLIC = "public:records";

// One page of a range query covers at most this many transactions.
const PAGE = 2000;

// Fetched historical states are kept this long for the next poll.
const EXPIRY_SECONDS = 1800;

// The most transactions that one sparse query may name.
const SPARSE_LIMIT = 20;

// ---- helpers --------------------------------------------------------------

function queryOf(request) {
  const found = {};
  for (const pair of request.query.split("&")) {
    const at = pair.indexOf("=");
    if (at > 0) {
      found[pair.slice(0, at)] = pair.slice(at + 1);
    }
  }
  return found;
}

function required(query, name) {
  if (query[name] === undefined) {
    throw new Error(`Missing query parameter: ${name}`);
  }
  return query[name];
}

function integer(query, name, fallback) {
  if (query[name] === undefined) {
    return fallback;
  }
  const value = Number(query[name]);
  if (query[name] === "" || !Number.isInteger(value)) {
    throw new Error(`Query parameter ${name} is not an integer`);
  }
  return value;
}

function table(base, query) {
  return ccf.kv[query.scope === undefined ? base : `${base}-${query.scope}`];
}

function failure(statusCode, error) {
  return { statusCode, body: { error } };
}

const notFound = () => failure(404, { code: "ResourceNotFound" });
const invalid = (msg) => failure(400, { code: "InvalidInput", msg });

function plainText(statusCode, body) {
  return { statusCode, headers: { "content-type": "text/plain" }, body };
}

function read(map, id) {
  const value = map.get(ccf.strToBuf(id));
  return value === undefined
    ? notFound()
    : { body: { msg: ccf.bufToStr(value) } };
}

function remove(map, id) {
  const key = ccf.strToBuf(id);
  if (!map.has(key)) {
    return notFound();
  }
  map.delete(key);
  return { body: true };
}

function clear(map) {
  map.clear();
  return { body: true };
}

// ---- private records ------------------------------------------------------

export function get_private(request) {
  const query = queryOf(request);
  return read(table(PRIVATE, query), required(query, "id"));
}

export function post_private(request) {
  const record = request.body.json();
  const key = ccf.strToBuf(record.id.toString());
  const value = ccf.strToBuf(record.msg);
  table(PRIVATE, queryOf(request)).set(key, value);
  return { body: true };
}

export function post_private_admin_only(request) {
  if (request.caller.data?.isAdmin !== true) {
    return failure(403, {
      code: "AuthorizationFailed",
      message: "Only admins may access this endpoint.",
    });
  }
  return post_private(request);
}

export function post_private_prefix_cert(request) {
  const author = ccf.pemToId(request.caller.cert);
  const record = request.body.json();
  const key = ccf.strToBuf(record.id.toString());
  const value = ccf.strToBuf(`${author}: ${record.msg}`);
  table(PRIVATE, queryOf(request)).set(key, value);
  return { body: true };
}

export function post_private_raw_text(request) {
  const type = request.headers["content-type"];
  if (type !== "text/plain") {
    return plainText(415, `Expected content-type 'text/plain'. Got '${type}'.`);
  }
  const key = ccf.strToBuf(request.params.id);
  table(PRIVATE, queryOf(request)).set(key, request.body.arrayBuffer());
  return { body: true };
}

// The same as post_private; a second version of the anonymous endpoint that
// tells the author apart in the stored text.
export function post_private_anonymous_v2(request) {
  const record = request.body.json();
  const key = ccf.strToBuf(record.id.toString());
  const value = ccf.strToBuf(`Anonymous: ${record.msg}`);
  table(PRIVATE, queryOf(request)).set(key, value);
  return { body: true };
}

export function delete_private(request) {
  const query = queryOf(request);
  return remove(table(PRIVATE, query), required(query, "id"));
}

export function clear_private(request) {
  return clear(table(PRIVATE, queryOf(request)));
}

export function count_private(request) {
  return { body: table(PRIVATE, queryOf(request)).size };
}

// ---- public records -------------------------------------------------------

export function get_public(request) {
  const query = queryOf(request);
  return read(table(PUBLIC, query), required(query, "id"));
}

// With "record_claim": true the message is also bound to the receipt of the
// transaction, by its SHA-256 as claims digest.
export function post_public(request) {
  const record = request.body.json();
  const key = ccf.strToBuf(record.id.toString());
  const value = ccf.strToBuf(record.msg);
  table(PUBLIC, queryOf(request)).set(key, value);
  if (record.record_claim) {
    ccf.rpc.setClaimsDigest(ccf.crypto.digest("SHA-256", value));
  }
  return { body: true };
}

export function delete_public(request) {
  const query = queryOf(request);
  return remove(table(PUBLIC, query), required(query, "id"));
}

export function clear_public(request) {
  return clear(table(PUBLIC, queryOf(request)));
}

export function count_public(request) {
  return { body: table(PUBLIC, queryOf(request)).size };
}

// ---- history --------------------------------------------------------------

// One transaction: its state is in ccf.historicalState.
function readPast(request, base, withReceipt) {
  const query = queryOf(request);
  const state = ccf.historicalState;
  const map = state.kv[query.scope === undefined ? base : `${base}-${query.scope}`];
  const answer = read(map, required(query, "id"));
  if (withReceipt) {
    answer.body.receipt = state.receipt;
  }
  return answer;
}

export function get_historical(request) {
  return readPast(request, PRIVATE, false);
}

export function get_historical_with_receipt(request) {
  return readPast(request, PRIVATE, true);
}

export function get_historical_public(request) {
  return readPast(request, PUBLIC, false);
}

export function get_historical_public_with_receipt(request) {
  return readPast(request, PUBLIC, true);
}

// A handle names one fetch. It must be the same number for the same question,
// on whichever node it is asked again (FNV-1a, cut to 31 bits).
function handleFor(...parts) {
  let hash = 0x811c9dc5;
  for (const c of parts.join("|")) {
    hash = Math.imul(hash ^ c.codePointAt(0), 0x01000193);
  }
  return hash >>> 1;
}

function seqnoOf(state) {
  return parseInt(state.transactionId.split(".")[1]);
}

function isCommitted(seqno) {
  const view = ccf.consensus.getViewForSeqno(seqno);
  return (
    view !== null &&
    ccf.consensus.getStatusForTxId(view, seqno) === "Committed"
  );
}

// Adds what the states say about one key. A state holds only what its own
// transaction wrote, so most of them say nothing.
function collect(states, base, id) {
  const key = ccf.strToBuf(id);
  const entries = [];
  for (const state of states) {
    const value = state.kv[base].get(key);
    if (value !== undefined) {
      entries.push({ seqno: seqnoOf(state), id: parseInt(id), msg: ccf.bufToStr(value) });
    }
  }
  return entries;
}

function notYet(what) {
  const answer = plainText(202, `Historical transactions ${what} are not yet available, fetching now`);
  answer.headers["retry-after"] = "1";
  return answer;
}

function fetchPage(base, id, from, to) {
  const last = Math.min(to, from + PAGE - 1);
  const handle = handleFor(base, id, from, last);
  const states = ccf.historical.getStateRange(handle, from, last, EXPIRY_SECONDS);
  return { handle, last, states };
}

// All writes of one id from from_seqno (default 1) to to_seqno (default: the
// last write of it), a page at a time.
function readRange(request, base, route) {
  const query = queryOf(request);
  const id = required(query, "id");
  const from = integer(query, "from_seqno", 1);
  const lastWrite = ccf.kv[base].getVersionOfPreviousWrite(ccf.strToBuf(id));
  const to = integer(query, "to_seqno", lastWrite);
  if (to === undefined) {
    return { body: { entries: [] } };
  }
  if (to < from) {
    return invalid("to_seqno must be >= from_seqno");
  }
  if (!isCommitted(to)) {
    return invalid("End of range must be committed");
  }
  const page = fetchPage(base, id, from, to);
  if (page.states === null) {
    return notYet(`from ${from} to ${page.last}`);
  }
  const body = { entries: collect(page.states, base, id) };
  if (page.last < to) {
    const next = page.last + 1;
    fetchPage(base, id, next, to); // starts while the client reads this page
    body["@nextLink"] = `/app/log/${route}/historical/range?from_seqno=${next}&to_seqno=${to}&id=${id}`;
  }
  ccf.historical.dropCachedStates(page.handle);
  return { body };
}

export function get_historical_range(request) {
  return readRange(request, PRIVATE, "private");
}

export function get_historical_range_public(request) {
  return readRange(request, PUBLIC, "public");
}

// The writes of one id in the transactions named by seqnos=1,5,9.
function readSparse(request, base) {
  const query = queryOf(request);
  const id = required(query, "id");
  const seqnos = required(query, "seqnos").split(",").map(Number);
  if (!seqnos.every((s) => Number.isInteger(s) && s > 0)) {
    return invalid("seqnos must be a list of positive integers");
  }
  if (seqnos.length > SPARSE_LIMIT) {
    return invalid(`seqnos must name at most ${SPARSE_LIMIT} transactions`);
  }
  if (!seqnos.every(isCommitted)) {
    return invalid("Only committed transactions can be queried");
  }
  const states = [];
  for (const seqno of seqnos) {
    const found = ccf.historical.getStateRange(handleFor(base, "sparse", seqno), seqno, seqno, EXPIRY_SECONDS);
    states.push(found === null ? null : found[0]);
  }
  if (states.includes(null)) {
    return notYet(seqnos.join(", "));
  }
  return { body: { entries: collect(states, base, id) } };
}

export function get_historical_sparse(request) {
  return readSparse(request, PRIVATE);
}

export function get_historical_sparse_public(request) {
  return readSparse(request, PUBLIC);
}

// ---- callers --------------------------------------------------------------

const pretty = (value) => JSON.stringify(value, null, 2);

function describeCertificate(role, caller) {
  return [
    `${role === "user" ? "User" : "Member"} TLS cert`,
    `The caller is a ${role} with ID: ${caller.id}`,
    `The caller's user data is: ${pretty(caller.data)}`,
    `The caller's cert is:`,
    caller.cert,
  ];
}

const describers = {
  user_cert: (caller) => describeCertificate("user", caller),
  member_cert: (caller) => describeCertificate("member", caller),
  any_cert: (caller) => ["Any TLS cert", "The caller's cert is:", caller.cert],
  jwt: (caller) => [
    "JWT",
    `The caller is identified by a JWT issued by: ${caller.jwt.keyIssuer}`,
    "The JWT header is:",
    pretty(caller.jwt.header),
    "The JWT payload is:",
    pretty(caller.jwt.payload),
  ],
  user_cose_sign1: (caller) => [
    "User COSE Sign1",
    `The caller is identified by a COSE Sign1 signed by kid: ${caller.id}`,
    `The caller is identified by a COSE Sign1 with content of size: ${caller.cose.content.byteLength}`,
  ],
  no_auth: () => [
    "Unauthenticated",
    "The caller did not provide any authenticated identity",
  ],
};

function describe(caller) {
  if (!Array.isArray(caller.policy)) {
    return describers[caller.policy](caller).join("\n");
  }
  const parts = [`Conjoined auth policy: ${caller.policy.join(",")}`];
  for (const name of caller.policy) {
    parts.push(`${name}:\n${describe(caller[name])}`);
  }
  return parts.join("\n\n");
}

export function multi_auth(request) {
  return plainText(200, describe(request.caller));
}

// Authentication by the application itself, with an endpoint that the
// framework leaves open: who you are is what two headers say.
const MINIMUM_AGE = 16;

export function custom_auth(request) {
  for (const name of ["x-custom-auth-name", "x-custom-auth-age"]) {
    if (request.headers[name] === undefined) {
      return plainText(401, `Missing required header ${name}`);
    }
  }
  const name = request.headers["x-custom-auth-name"];
  if (name === "") {
    return plainText(401, "Name must not be empty");
  }
  const age = parseInt(request.headers["x-custom-auth-age"]);
  if (!(age >= MINIMUM_AGE)) {
    return plainText(401, `Caller age must be at least ${MINIMUM_AGE}`);
  }
  return { body: { name, age, description: `Your name is ${name} and you are ${age}` } };
}

export function request_query(request) {
  return plainText(200, request.query);
}
