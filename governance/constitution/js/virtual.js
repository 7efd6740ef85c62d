// Trust in nodes of the virtual platform, which has no hardware behind it. For
// development: leave this file out of a service that guards anything.

defineCode(
  "add_virtual_measurement",
  "remove_virtual_measurement",
  (args) => checkType(args.measurement, "string", "measurement"),
  ({ measurement }, change, value) => change("nodes.virtual.measurements", measurement, value),
);

define("add_virtual_host_data", (args) => checkType(args.host_data, "string", "host_data"), ({ host_data }, id) => {
  gov("nodes.virtual.host_data").set(ccf.strToBuf(host_data), ONLY);
  dropOtherOpenProposals(id);
});

define("remove_virtual_host_data", (args) => checkType(args.host_data, "string", "host_data"), ({ host_data }) => {
  drop("nodes.virtual.host_data", host_data);
});
