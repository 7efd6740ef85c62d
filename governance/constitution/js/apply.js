// Carries an accepted proposal out. An exception here undoes everything, the
// deciding ballot included.
export function apply(proposal, proposalId) {
  for (const { name, args } of JSON.parse(proposal).actions) {
    actions.get(name).apply(args, proposalId);
  }
}
