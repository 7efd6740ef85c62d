// ts/errors.ts
var Refusal = class extends Error {
  constructor(statusCode, code, message) {
    super(message);
    this.statusCode = statusCode;
    this.code = code;
  }
  statusCode;
  code;
};
var badInput = (message) => new Refusal(400, "InvalidInput", message);
var forbidden = (message) => new Refusal(403, "AuthorizationFailed", message);
var notFound = (message) => new Refusal(404, "ResourceNotFound", message);
var conflict = (code, message) => new Refusal(409, code, message);
function answering(handle) {
  return (request) => {
    try {
      return handle(request);
    } catch (e) {
      if (e instanceof Refusal) {
        return { statusCode: e.statusCode, body: { error: { code: e.code, message: e.message } } };
      }
      throw e;
    }
  };
}

// ts/input.ts
var NAME = /^[A-Za-z0-9_.-]{1,64}$/;
var MAX_REFERENCE = 140;
var MAX_AMOUNT = Number.MAX_SAFE_INTEGER;
function name(value, what) {
  if (typeof value !== "string" || !NAME.test(value)) {
    throw badInput(`${what} must be 1 to 64 letters, digits, dots, dashes or underscores.`);
  }
  return value;
}
function amount(value) {
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw badInput("amount must be a positive whole number of the smallest unit.");
  }
  return value;
}
function reference(value) {
  if (value === void 0) {
    return "";
  }
  if (typeof value !== "string" || value.length > MAX_REFERENCE) {
    throw badInput(`reference must be a text of at most ${MAX_REFERENCE} characters.`);
  }
  return value;
}
function optionalVersion(value) {
  if (value !== void 0 && !Number.isSafeInteger(value)) {
    throw badInput("expected_version must be a whole number.");
  }
  return value;
}
function bodyOf(request) {
  let body;
  try {
    body = request.body.json();
  } catch {
    throw badInput("The body is not JSON.");
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw badInput("The body must be a JSON object.");
  }
  return body;
}
function queryNumber(request, key, fallback, max) {
  for (const pair of request.query.split("&")) {
    const [k, v] = pair.split("=");
    if (k === key) {
      const n = Number(v);
      if (v === void 0 || v === "" || !Number.isSafeInteger(n) || n < 0 || n > max) {
        throw badInput(`${key} must be a whole number from 0 to ${max}.`);
      }
      return n;
    }
  }
  return fallback;
}

// ts/host.ts
var ccf = globalThis.ccf;
var Table = class {
  constructor(name2) {
    this.name = name2;
  }
  name;
  get(key) {
    const value = ccf.kv[this.name].get(ccf.strToBuf(key));
    return value === void 0 ? void 0 : ccf.bufToJsonCompatible(value);
  }
  has(key) {
    return ccf.kv[this.name].has(ccf.strToBuf(key));
  }
  set(key, value) {
    ccf.kv[this.name].set(ccf.strToBuf(key), ccf.jsonCompatibleToBuf(value));
  }
  // entries lists the table in the order of its keys, which the store itself
  // does not promise.
  entries() {
    const found = [];
    ccf.kv[this.name].forEach((value, key) => {
      found.push([ccf.bufToStr(key), ccf.bufToJsonCompatible(value)]);
    });
    return found.sort((a, b) => a[0] < b[0] ? -1 : 1);
  }
};
function sha256(text) {
  return ccf.crypto.digest("SHA-256", ccf.strToBuf(text));
}
function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (b) => b.toString(16).padStart(2, "0")).join("");
}

// ts/model.ts
var accounts = new Table("bank.accounts");
var lines = new Table("bank.lines");
var transfers = new Table("bank.transfers");
var commitments = new Table("public:bank.commitments");
function accountKey(user, name2) {
  return `${user}/${name2}`;
}
function lineKey(account, version) {
  return `${account}#${String(version).padStart(10, "0")}`;
}
function claimOf(t) {
  return JSON.stringify({
    id: t.id,
    from: t.from,
    to: t.to,
    amount: t.amount,
    reference: t.reference
  });
}

// ts/bank.ts
function open(key) {
  if (accounts.has(key)) {
    throw conflict("AccountExists", "The account exists already.");
  }
  const account = { balance: 0, version: 0 };
  accounts.set(key, account);
  return account;
}
function find(key) {
  const account = accounts.get(key);
  if (account === void 0) {
    throw notFound(`No account ${key}.`);
  }
  return account;
}
function book(key, account, amount2, transfer2, counterparty, reference2) {
  const balance2 = account.balance + amount2;
  if (balance2 > MAX_AMOUNT) {
    throw badInput("The account cannot hold that much.");
  }
  const version = account.version + 1;
  lines.set(lineKey(key, version), { transfer: transfer2, counterparty, amount: amount2, balance: balance2, reference: reference2 });
  const after = { balance: balance2, version };
  accounts.set(key, after);
  return after;
}
function deposit(key, amount2, reference2) {
  return book(key, find(key), amount2, "", "", reference2);
}
function pay(t, expected) {
  const claim = claimOf(t);
  const digest = hex(sha256(claim));
  const earlier = transfers.get(t.id);
  if (earlier !== void 0) {
    if (claimOf(earlier) !== claim) {
      throw conflict("TransferIdInUse", "Another transfer has this id.");
    }
    return { transfer: t, claim, digest, repeated: true };
  }
  if (t.from === t.to) {
    throw badInput("The two accounts are the same.");
  }
  const from = find(t.from);
  const to = find(t.to);
  if (expected !== void 0 && expected !== from.version) {
    throw conflict("AccountChanged", `The account is at version ${from.version}, not ${expected}.`);
  }
  if (from.balance < t.amount) {
    throw conflict("InsufficientFunds", "The balance is too low.");
  }
  book(t.from, from, -t.amount, t.id, t.to, t.reference);
  book(t.to, to, t.amount, t.id, t.from, t.reference);
  transfers.set(t.id, t);
  commitments.set(t.id, digest);
  return { transfer: t, claim, digest, repeated: false };
}

// ts/callers.ts
var users = new Table("public:ccf.gov.users.info");
function callerOf(request) {
  return request.caller;
}
function userOf(request) {
  return callerOf(request).id;
}
function dataOf(user) {
  return users.get(user)?.user_data ?? {};
}
function requireMayPay(user) {
  if (dataOf(user).frozen === true) {
    throw forbidden("The consortium has frozen the accounts of this user.");
  }
}
function requireAuditor(request) {
  const caller = callerOf(request);
  if (caller.policy !== "member_cert" && dataOf(caller.id).role !== "auditor") {
    throw forbidden("Only auditors and members may access this endpoint.");
  }
}
function requireUser(user) {
  if (!knownUser(user)) {
    throw notFound(`No user ${user}.`);
  }
}
function knownUser(user) {
  return new Table("public:ccf.gov.users.certs").has(user);
}

// ts/main.ts
var PAGE = 100;
var MAX_START = 1e9;
var open_account = answering((request) => {
  const user = request.params.user;
  requireUser(user);
  const account = open(accountKey(user, name(request.params.account, "account")));
  return { statusCode: 201, body: account };
});
var deposit2 = answering((request) => {
  const body = bodyOf(request);
  const key = accountKey(request.params.user, name(request.params.account, "account"));
  return { body: deposit(key, amount(body.amount), reference(body.reference)) };
});
var balance = answering((request) => {
  return { body: find(ownAccount(request)) };
});
var statement = answering((request) => {
  const key = ownAccount(request);
  const account = find(key);
  const first = Math.max(1, queryNumber(request, "from", 1, MAX_START));
  const last = Math.min(account.version, first + PAGE - 1);
  const found = [];
  for (let version = first; version <= last; version++) {
    found.push({ version, ...lines.get(lineKey(key, version)) });
  }
  const next = last < account.version ? { next: last + 1 } : {};
  return { body: { balance: account.balance, lines: found, ...next } };
});
var transfer = answering((request) => {
  const user = userOf(request);
  requireMayPay(user);
  const body = bodyOf(request);
  const done = pay(
    {
      id: name(body.id, "id"),
      from: ownAccount(request),
      to: accountKey(name(body.to_user, "to_user"), name(body.to_account, "to_account")),
      amount: amount(body.amount),
      reference: reference(body.reference)
    },
    optionalVersion(body.expected_version)
  );
  if (!done.repeated) {
    ccf.rpc.setClaimsDigest(sha256(done.claim));
  }
  return { statusCode: done.repeated ? 200 : 201, body: { ...done.transfer, claim: done.claim, claims_digest: done.digest } };
});
function ownAccount(request) {
  return accountKey(userOf(request), name(request.params.account, "account"));
}
var receipt = answering((request) => {
  const state = ccf.historicalState;
  const value = state.kv["bank.transfers"].get(ccf.strToBuf(request.params.id));
  if (value === void 0) {
    throw notFound("That transaction did not make this transfer.");
  }
  const made = ccf.bufToJsonCompatible(value);
  if (!isParty(userOf(request), made)) {
    throw forbidden("Only the two parties may access the receipt of a transfer.");
  }
  const claim = claimOf(made);
  return {
    body: {
      transaction_id: state.transactionId,
      claim,
      claims_digest: hex(sha256(claim)),
      receipt: state.receipt
    }
  };
});
function isParty(user, t) {
  return t.from.startsWith(`${user}/`) || t.to.startsWith(`${user}/`);
}
var audit_accounts = answering((request) => {
  requireAuditor(request);
  let total = 0;
  const all = accounts.entries().map(([key, account]) => {
    total += account.balance;
    return { account: key, ...account };
  });
  return { body: { accounts: all, total } };
});
var audit_transfers = answering((request) => {
  requireAuditor(request);
  const start = queryNumber(request, "from", 0, MAX_START);
  const all = transfers.entries();
  const page = all.slice(start, start + PAGE).map(([, made]) => ({ ...made, claims_digest: hex(sha256(claimOf(made))) }));
  const next = start + PAGE < all.length ? { next: start + PAGE } : {};
  return { body: { transfers: page, ...next } };
});
export {
  audit_accounts,
  audit_transfers,
  balance,
  deposit2 as deposit,
  open_account,
  receipt,
  statement,
  transfer
};
