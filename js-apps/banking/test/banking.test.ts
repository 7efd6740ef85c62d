import { addUser, call, ccf, claims, reset } from "./fake";
import * as bank from "../ts/main";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { beforeEach, test } from "node:test";

const member = "member:m";

function openFor(user: string, account: string, amount = 0) {
  assert.equal(call(bank.open_account, { as: member, params: { user, account } }).status, 201);
  if (amount > 0) {
    assert.equal(call(bank.deposit, { as: member, params: { user, account }, body: { amount } }).status, 200);
  }
}

function pay(as: string, account: string, body: Record<string, unknown>) {
  return call(bank.transfer, { as, params: { account }, body: { id: "t1", to_user: "bob", to_account: "main", amount: 30, ...body } });
}

const balanceOf = (as: string, account: string) => call(bank.balance, { as, params: { account } }).body;

beforeEach(() => {
  reset();
  addUser("alice");
  addUser("bob");
  addUser("eve", { role: "auditor" });
  openFor("alice", "main", 100);
  openFor("bob", "main");
});

test("an account is opened once, for known users", () => {
  assert.equal(call(bank.open_account, { as: member, params: { user: "alice", account: "main" } }).body.error.code, "AccountExists");
  assert.equal(call(bank.open_account, { as: member, params: { user: "nobody", account: "main" } }).status, 404);
  assert.equal(call(bank.open_account, { as: member, params: { user: "alice", account: "a/b" } }).status, 400);
});

test("a transfer moves money and binds a claim to its receipt", () => {
  const { status, body } = pay("alice", "main", { reference: "rent" });
  assert.equal(status, 201);
  assert.equal(body.claim, '{"id":"t1","from":"alice/main","to":"bob/main","amount":30,"reference":"rent"}');
  assert.equal(body.claims_digest, createHash("sha256").update(body.claim).digest("hex"));
  assert.equal(claims, body.claims_digest);
  assert.deepEqual(balanceOf("alice", "main"), { balance: 70, version: 2 });
  assert.deepEqual(balanceOf("bob", "main"), { balance: 30, version: 1 });
});

test("the same transfer asked twice is booked once", () => {
  pay("alice", "main", {});
  const again = pay("alice", "main", {});
  assert.equal(again.status, 200);
  assert.equal(claims, undefined);
  assert.deepEqual(balanceOf("alice", "main"), { balance: 70, version: 2 });
  assert.equal(pay("alice", "main", { amount: 31 }).body.error.code, "TransferIdInUse");
});

test("a transfer decided on an old version is refused", () => {
  assert.equal(pay("alice", "main", { expected_version: 1 }).status, 201);
  const late = pay("alice", "main", { id: "t2", expected_version: 1 });
  assert.equal(late.status, 409);
  assert.equal(late.body.error.code, "AccountChanged");
});

test("money cannot be made", () => {
  assert.equal(pay("alice", "main", { amount: 101 }).body.error.code, "InsufficientFunds");
  for (const amount of [0, -1, 1.5, "5", null, 2 ** 53]) {
    assert.equal(pay("alice", "main", { amount }).status, 400, String(amount));
  }
  assert.equal(pay("alice", "main", { to_user: "alice" }).status, 400);
  assert.equal(pay("alice", "main", { to_account: "none" }).status, 404);
  openFor("bob", "rich", Number.MAX_SAFE_INTEGER);
  assert.equal(pay("alice", "main", { to_account: "rich", amount: 1 }).status, 400);
  assert.deepEqual(balanceOf("alice", "main"), { balance: 100, version: 1 });
});

test("only the owner sees an account", () => {
  assert.equal(call(bank.balance, { as: "bob", params: { account: "savings" } }).status, 404);
  assert.deepEqual(balanceOf("bob", "main"), { balance: 0, version: 0 });
});

test("a frozen user cannot pay", () => {
  addUser("alice", { frozen: true });
  assert.equal(pay("alice", "main", {}).status, 403);
  assert.equal(balanceOf("alice", "main").balance, 100);
});

test("a statement comes in pages", () => {
  for (let i = 0; i < 120; i++) {
    call(bank.deposit, { as: member, params: { user: "bob", account: "main" }, body: { amount: 1 } });
  }
  const first = call(bank.statement, { as: "bob", params: { account: "main" } }).body;
  assert.equal(first.lines.length, 100);
  assert.equal(first.next, 101);
  const rest = call(bank.statement, { as: "bob", params: { account: "main" }, query: `from=${first.next}` }).body;
  assert.equal(rest.lines.length, 20);
  assert.equal(rest.next, undefined);
  assert.equal(rest.lines[19].balance, 120);
  assert.equal(call(bank.statement, { as: "bob", params: { account: "main" }, query: "from=x" }).status, 400);
});

test("auditors and members see everything, others nothing", () => {
  pay("alice", "main", {});
  for (const as of ["eve", member]) {
    assert.equal(call(bank.audit_accounts, { as }).body.total, 100);
    const [made] = call(bank.audit_transfers, { as }).body.transfers;
    assert.equal(made.claims_digest, createHash("sha256").update(JSON.stringify({ id: "t1", from: "alice/main", to: "bob/main", amount: 30, reference: "" })).digest("hex"));
  }
  assert.equal(call(bank.audit_accounts, { as: "alice" }).status, 403);
  assert.equal(call(bank.audit_transfers, { as: "bob" }).status, 403);
});

test("a receipt is for the parties", () => {
  pay("alice", "main", {});
  ccf.historicalState = { transactionId: "2.9", receipt: { proof: [] }, kv: ccf.kv };
  for (const as of ["alice", "bob"]) {
    const { status, body } = call(bank.receipt, { as, params: { id: "t1" } });
    assert.equal(status, 200);
    assert.equal(body.claims_digest, createHash("sha256").update(body.claim).digest("hex"));
  }
  assert.equal(call(bank.receipt, { as: "eve", params: { id: "t1" } }).status, 403);
  assert.equal(call(bank.receipt, { as: "alice", params: { id: "t2" } }).status, 404);
});

test("bodies are checked", () => {
  for (const body of ["{", "[]", "null", "5"]) {
    assert.equal(call(bank.transfer, { as: "alice", params: { account: "main" }, body }).status, 400, body);
  }
  assert.equal(pay("alice", "main", { reference: "x".repeat(141) }).status, 400);
  assert.equal(pay("alice", "main", { id: "" }).status, 400);
  assert.equal(pay("alice", "main", { expected_version: "1" }).status, 400);
});
