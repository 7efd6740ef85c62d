// The one place that touches the global object of the ledger. Only the types
// of @microsoft/ccf-app are used: they vanish in the build, so the bundle is
// this application's code and nothing else.
import type { CCF } from "@microsoft/ccf-app/global.js";

export const ccf = (globalThis as unknown as { ccf: CCF }).ccf;

// Table is a map of JSON values under text keys. It looks its map up on every
// call, so that it can be a constant of a module: interpreters may be reused.
export class Table<T> {
  constructor(private readonly name: string) {}

  get(key: string): T | undefined {
    const value = ccf.kv[this.name]!.get(ccf.strToBuf(key));
    return value === undefined ? undefined : ccf.bufToJsonCompatible(value);
  }

  has(key: string): boolean {
    return ccf.kv[this.name]!.has(ccf.strToBuf(key));
  }

  set(key: string, value: T): void {
    ccf.kv[this.name]!.set(ccf.strToBuf(key), ccf.jsonCompatibleToBuf(value as never));
  }

  // entries lists the table in the order of its keys, which the store itself
  // does not promise.
  entries(): [string, T][] {
    const found: [string, T][] = [];
    ccf.kv[this.name]!.forEach((value, key) => {
      found.push([ccf.bufToStr(key), ccf.bufToJsonCompatible(value)]);
    });
    return found.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  }
}

// sha256 is the digest that receipts carry as claims digest.
export function sha256(text: string): ArrayBuffer {
  return ccf.crypto.digest("SHA-256", ccf.strToBuf(text));
}

export function hex(buffer: ArrayBuffer): string {
  return Array.from(new Uint8Array(buffer), (b) => b.toString(16).padStart(2, "0")).join("");
}
