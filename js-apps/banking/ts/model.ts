// What is stored. Everything about money is private: only the service reads
// it. The public table holds digests, so that auditors of the ledger see that
// transfers happened and when, but not whose or how much.
import { Table } from "./host";

export interface Account {
  balance: number; // in the smallest unit of the currency
  version: number; // number of lines in its statement
}

export interface Line {
  transfer: string; // id; "" for a deposit
  counterparty: string; // account key; "" for a deposit
  amount: number; // signed
  balance: number; // after the line
  reference: string;
}

// A transfer as both parties and the auditor see it. Its claim (below) is what
// the receipt of the transaction proves.
export interface Transfer {
  id: string;
  from: string;
  to: string;
  amount: number;
  reference: string;
}

// Keys of accounts are "<user id>/<account name>"; of lines, the account key
// and the line's number, padded so that they sort.
export const accounts = new Table<Account>("bank.accounts");
export const lines = new Table<Line>("bank.lines");
export const transfers = new Table<Transfer>("bank.transfers");
export const commitments = new Table<string>("public:bank.commitments");

export function accountKey(user: string, name: string): string {
  return `${user}/${name}`;
}

export function lineKey(account: string, version: number): string {
  return `${account}#${String(version).padStart(10, "0")}`;
}

// claimOf is the text whose SHA-256 is the claims digest: fixed order, no
// blanks, so that anyone can write it down again from the transfer.
export function claimOf(t: Transfer): string {
  return JSON.stringify({
    id: t.id,
    from: t.from,
    to: t.to,
    amount: t.amount,
    reference: t.reference,
  });
}
