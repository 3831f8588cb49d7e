// What the form of the actions DAG, made from the spec as it is now, adds to what the ledger knows.

export function standing(facts, dag) {
  if (!facts) return null;
  const form = dag?.params ?? {};
  return { ...facts, now: movedOn(facts, form.now?.value), policies: policies(facts, form.action?.schema?.policies) };
}

// Data whose time stands still: the form would have each run stand where the history began, not where it has come to.
function movedOn({ at }, given) {
  return given && at && new Date(at) > new Date(given) ? at : null;
}

// An override holds for the retrain section for which it was asked, and no look of another pair of policies counts.
function policies({ policies: seen, asked }, spec) {
  if (!spec) return null;
  const override = asked && asked.retrain === spec.retrain ? asked : null;
  const [live, shadow] = override ? [spec.shadow, spec.own] : [spec.own, spec.shadow];
  const isSame = seen && [seen.live, seen.shadow].sort().join() === [live.kind, shadow.kind].sort().join();
  return { ...(isSame ? seen : { looks: 0 }), live: live.kind, shadow: shadow.kind, override, weighs: shadow.weighs };
}
