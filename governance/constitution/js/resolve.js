// A proposal passes when more than half of the active members say yes. Nothing
// is ever rejected: a proposal without a majority stays open until its proposer
// withdraws it.
export function resolve(proposal, proposerId, votes, proposalId) {
  let active = 0;
  ccf.kv["public:ccf.gov.members.info"].forEach((row) => {
    active += ccf.bufToJsonCompatible(row).status === "Active" ? 1 : 0;
  });
  const yes = votes.reduce((count, { vote }) => count + (vote ? 1 : 0), 0);
  return yes > Math.floor(active / 2) ? "Accepted" : "Open";
}
