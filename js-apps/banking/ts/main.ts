// The endpoints of the banking application; app.json names them.
import type { Request, Response } from "@microsoft/ccf-app/endpoints.js";
import { answering, forbidden, notFound } from "./errors";
import { deposit as book, find, open, pay } from "./bank";
import { requireAuditor, requireMayPay, requireUser, userOf } from "./callers";
import { ccf, hex, sha256 } from "./host";
import * as input from "./input";
import { accountKey, accounts, claimOf, lineKey, lines, transfers, type Transfer } from "./model";

const PAGE = 100; // lines or transfers in one answer
const MAX_START = 1e9;

// ---- members: opening accounts and bringing money in -----------------------

export const open_account = answering((request: Request): Response => {
  const user = request.params.user!;
  requireUser(user);
  const account = open(accountKey(user, input.name(request.params.account, "account")));
  return { statusCode: 201, body: account };
});

export const deposit = answering((request: Request): Response => {
  const body = input.bodyOf(request);
  const key = accountKey(request.params.user!, input.name(request.params.account, "account"));
  return { body: book(key, input.amount(body.amount), input.reference(body.reference)) };
});

// ---- users: their own accounts ---------------------------------------------

export const balance = answering((request: Request): Response => {
  return { body: find(ownAccount(request)) };
});

export const statement = answering((request: Request): Response => {
  const key = ownAccount(request);
  const account = find(key);
  const first = Math.max(1, input.queryNumber(request, "from", 1, MAX_START));
  const last = Math.min(account.version, first + PAGE - 1);
  const found = [];
  for (let version = first; version <= last; version++) {
    found.push({ version, ...lines.get(lineKey(key, version)) });
  }
  const next = last < account.version ? { next: last + 1 } : {};
  return { body: { balance: account.balance, lines: found, ...next } };
});

export const transfer = answering((request: Request): Response => {
  const user = userOf(request);
  requireMayPay(user);
  const body = input.bodyOf(request);
  const done = pay(
    {
      id: input.name(body.id, "id"),
      from: ownAccount(request),
      to: accountKey(input.name(body.to_user, "to_user"), input.name(body.to_account, "to_account")),
      amount: input.amount(body.amount),
      reference: input.reference(body.reference),
    },
    input.optionalVersion(body.expected_version),
  );
  if (!done.repeated) {
    ccf.rpc.setClaimsDigest(sha256(done.claim));
  }
  return { statusCode: done.repeated ? 200 : 201, body: { ...done.transfer, claim: done.claim, claims_digest: done.digest } };
});

function ownAccount(request: Request): string {
  return accountKey(userOf(request), input.name(request.params.account, "account"));
}

// receipt serves a party of the transfer, or an auditor, the proof of it: the
// receipt of the transaction named by the request header, and the claim whose
// digest the receipt covers. It reads the past, so it is a historical endpoint.
export const receipt = answering((request: Request): Response => {
  const state = ccf.historicalState!;
  const value = state.kv["bank.transfers"]!.get(ccf.strToBuf(request.params.id!));
  if (value === undefined) {
    throw notFound("That transaction did not make this transfer.");
  }
  const made: Transfer = ccf.bufToJsonCompatible(value);
  if (!isParty(userOf(request), made)) {
    throw forbidden("Only the two parties may access the receipt of a transfer.");
  }
  const claim = claimOf(made);
  return {
    body: {
      transaction_id: state.transactionId,
      claim,
      claims_digest: hex(sha256(claim)),
      receipt: state.receipt,
    } as never,
  };
});

function isParty(user: string, t: Transfer): boolean {
  return t.from.startsWith(`${user}/`) || t.to.startsWith(`${user}/`);
}

// ---- auditors ---------------------------------------------------------------

export const audit_accounts = answering((request: Request): Response => {
  requireAuditor(request);
  let total = 0;
  const all = accounts.entries().map(([key, account]) => {
    total += account.balance;
    return { account: key, ...account };
  });
  return { body: { accounts: all, total } };
});

export const audit_transfers = answering((request: Request): Response => {
  requireAuditor(request);
  const start = input.queryNumber(request, "from", 0, MAX_START);
  const all = transfers.entries();
  const page = all.slice(start, start + PAGE).map(([, made]) => ({ ...made, claims_digest: hex(sha256(claimOf(made))) }));
  const next = start + PAGE < all.length ? { next: start + PAGE } : {};
  return { body: { transfers: page, ...next } };
});
