// A counter is read, then written: an update is lost unless conflicting requests
// run again. The ledger's own version of each key tells how often it was written.
const counters = ccf.kv["counters"];
const total = ccf.kv["public:total"];

function read(map, name) {
  const v = map.get(ccf.strToBuf(name));
  return v === undefined ? 0 : Number(ccf.bufToStr(v));
}

export function increment(request) {
  const name = request.params.name;
  const n = read(counters, name) + 1;
  counters.set(ccf.strToBuf(name), ccf.strToBuf(String(n)));
  const all = read(total, "all") + 1;
  total.set(ccf.strToBuf("all"), ccf.strToBuf(String(all)));
  return { body: { value: n, total: all } };
}

export function value(request) {
  return { body: { value: read(counters, request.params.name), total: read(total, "all") } };
}
