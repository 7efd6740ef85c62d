// A ledger small enough for unit tests: maps in memory, one caller at a time,
// and the claims digest of the last request.
import { createHash } from "node:crypto";

type Bytes = ArrayBuffer;
const toText = (b: Bytes) => Buffer.from(b).toString("latin1");
const toBytes = (b: Buffer): Bytes => b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength) as Bytes;

class FakeMap {
  readonly rows = new Map<string, Bytes>();
  has = (k: Bytes) => this.rows.has(toText(k));
  get = (k: Bytes) => this.rows.get(toText(k));
  set = (k: Bytes, v: Bytes) => (this.rows.set(toText(k), v), this);
  forEach = (f: (v: Bytes, k: Bytes) => void) => this.rows.forEach((v, k) => f(v, toBytes(Buffer.from(k, "latin1"))));
}

let maps: Record<string, FakeMap> = {};
export let claims: string | undefined;

const map = (name: string) => (maps[name] ??= new FakeMap());
const strToBuf = (s: string) => toBytes(Buffer.from(s, "utf8"));
const bufToStr = (b: Bytes) => Buffer.from(b).toString("utf8");

export const ccf = {
  kv: new Proxy({}, { get: (_, name: string) => map(name) }),
  strToBuf,
  bufToStr,
  jsonCompatibleToBuf: (v: unknown) => strToBuf(JSON.stringify(v)),
  bufToJsonCompatible: (b: Bytes) => JSON.parse(bufToStr(b)),
  crypto: { digest: (_: string, b: Bytes) => toBytes(createHash("sha256").update(Buffer.from(b)).digest()) },
  rpc: { setClaimsDigest: (b: Bytes) => (claims = Buffer.from(b).toString("hex")) },
  historicalState: undefined as unknown,
};
(globalThis as { ccf?: unknown }).ccf = ccf;

export function reset() {
  maps = {};
  claims = undefined;
}

export function addUser(id: string, user_data?: unknown) {
  map("public:ccf.gov.users.certs").set(strToBuf(id), strToBuf("cert"));
  map("public:ccf.gov.users.info").set(strToBuf(id), strToBuf(JSON.stringify({ user_data })));
}

export interface Call {
  as: string; // user id, or "member:<id>"
  params?: Record<string, string>;
  query?: string;
  body?: unknown;
}

// call runs an endpoint as the ledger would: answers other than 2xx leave no
// writes behind.
export function call(endpoint: (r: never) => { statusCode?: number; body?: unknown }, c: Call) {
  claims = undefined;
  const before = Object.entries(maps).map(([name, m]) => [name, new Map(m.rows)] as const);
  const member = c.as.startsWith("member:");
  const answer = endpoint({
    params: c.params ?? {},
    query: c.query ?? "",
    body: { json: () => JSON.parse(typeof c.body === "string" ? c.body : JSON.stringify(c.body ?? null)) },
    caller: { policy: member ? "member_cert" : "user_cert", id: member ? c.as.slice(7) : c.as },
  } as never);
  const status = answer.statusCode ?? 200;
  if (status < 200 || status > 299) {
    maps = {};
    for (const [name, rows] of before) {
      rows.forEach((v, k) => map(name).rows.set(k, v));
    }
  }
  return { status, body: answer.body as any };
}
