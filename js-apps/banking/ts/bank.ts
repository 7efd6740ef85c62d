// Moving money. Functions here work inside one transaction: either all of
// their writes are applied or none, and a conflict with another transaction
// makes the ledger run the whole request again.
import { conflict, badInput, notFound } from "./errors";
import { MAX_AMOUNT } from "./input";
import { accounts, commitments, lineKey, lines, transfers, claimOf, type Account, type Transfer } from "./model";
import { hex, sha256 } from "./host";

export function open(key: string): Account {
  if (accounts.has(key)) {
    throw conflict("AccountExists", "The account exists already.");
  }
  const account = { balance: 0, version: 0 };
  accounts.set(key, account);
  return account;
}

export function find(key: string): Account {
  const account = accounts.get(key);
  if (account === undefined) {
    throw notFound(`No account ${key}.`);
  }
  return account;
}

// book adds one line to an account's statement.
function book(key: string, account: Account, amount: number, transfer: string, counterparty: string, reference: string): Account {
  const balance = account.balance + amount;
  if (balance > MAX_AMOUNT) {
    throw badInput("The account cannot hold that much.");
  }
  const version = account.version + 1;
  lines.set(lineKey(key, version), { transfer, counterparty, amount, balance, reference });
  const after = { balance, version };
  accounts.set(key, after);
  return after;
}

export function deposit(key: string, amount: number, reference: string): Account {
  return book(key, find(key), amount, "", "", reference);
}

export interface Receiptable {
  transfer: Transfer;
  claim: string; // the text bound to the transaction's receipt
  digest: string; // its SHA-256 in hex
  repeated: boolean; // an earlier request did it already
}

// pay moves money between two accounts. The id makes it safe to ask again
// after a lost answer: the same transfer is not booked twice, and another one
// under the same id is refused. expected, if given, is the version of the
// paying account that the payer decided on.
export function pay(t: Transfer, expected: number | undefined): Receiptable {
  const claim = claimOf(t);
  const digest = hex(sha256(claim));
  const earlier = transfers.get(t.id);
  if (earlier !== undefined) {
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
  if (expected !== undefined && expected !== from.version) {
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
