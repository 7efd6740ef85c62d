// Is this text a proposal that could be carried out? Every fault is reported,
// not only the first, so that a member can repair a proposal in one go.
export function validate(input) {
  const faults = [];
  let position = 0;
  for (const step of JSON.parse(input).actions) {
    const action = actions.get(step.name);
    if (action === undefined) {
      faults.push(`${step.name}: no such action`);
    } else {
      try {
        action.validate(step.args);
      } catch (e) {
        faults.push(`${step.name} at position ${position} failed validation: ${e}\n${e.stack}`);
      }
    }
    position += 1;
  }
  return { valid: faults.length === 0, description: faults.join(", ") };
}
