// Is this text a proposal that could be carried out? Every fault is reported,
// not only the first, so that a member can repair a proposal in one go.
export function validate(input) {
  const faults = [];
  let position = 0;
  for (const { name, args } of JSON.parse(input).actions) {
    const action = actions.get(name);
    if (action === undefined) {
      faults.push(`${name}: no such action`);
    } else {
      try {
        action.validate(args);
      } catch (e) {
        faults.push(`${name} at position ${position} failed validation: ${e}\n${e.stack}`);
      }
    }
    position += 1;
  }
  return { valid: faults.length === 0, description: faults.join(", ") };
}
