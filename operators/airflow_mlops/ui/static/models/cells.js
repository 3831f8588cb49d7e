// What a row of the list says: each part for a table's cell and for a card alike.
import { Fragment, h, RouterLink, UI } from "../kit/host.js";
import { Meter, Sparkline } from "../kit/charts.js";
import { ago, capital, dated, duration, number, plural, sentence, share, version, when } from "../kit/format.js";
import { STATES } from "./query.js";

const DAY_S = 86_400;
const BUDGETS = { ok: "green", ticket: "orange", page: "red", spent: "red", unknown: "gray" };
const KINDS = { retrain: "retrain", monitor: "look" };
const RETRAINS = { trained: "Retrained", refused: "Retrained, refused", promoted: "Retrained, promoted" };

const LINK = { asChild: true, color: "fg.info" };

const pathOf = (model) => `/plugin/models/${encodeURIComponent(model.name)}`;

const Quiet = (props) => h(UI.Text, { fontSize: "xs", color: "fg.muted", ...props });

export function Name({ model }) {
  const marks = [...model.owners, ...model.tags];
  return h(
    UI.Box,
    { minW: 0 },
    // Inline, as a flex box would not break a long name.
    h(UI.Link, { ...LINK, fontWeight: "bold", display: "inline" }, h(RouterLink, { to: pathOf(model) }, model.name)),
    marks.length > 0 && h(Quiet, { lineClamp: 2, title: marks.join(" · ") }, marks.join(" · ")),
    model.behind > 0 && h(Quiet, null, `still reading ${plural(model.behind, "event")}`),
  );
}

export function State({ model }) {
  const { color, needsPerson } = STATES[model.state] ?? { color: "gray" };
  const tellsMore = model.why && model.why !== model.decision?.sentence && model.state !== "healthy";
  return h(
    UI.Box,
    { minW: 0 },
    h(UI.Badge, { colorPalette: color, fontWeight: needsPerson ? "bold" : "medium" }, sentence(model.state)),
    tellsMore && h(Quiet, { mt: 1, lineClamp: 3, title: model.why }, capital(model.why)),
  );
}

const named = (challenger) => (challenger.version ? version(challenger.version) : "new model");

const CAME_BACK = { title: "Rolled back", role: "img", "aria-label": "rolled back" };

export function Serving({ model }) {
  const { serving, challenger } = model;
  const cameBack = serving?.cause === "rollback";
  return h(
    UI.Box,
    { minW: 0 },
    serving
      ? h(UI.Text, null, version(serving.version), cameBack && h("span", CAME_BACK, " ↩"))
      : h(UI.Text, { color: "fg.muted" }, "Nothing yet"),
    serving && h(Quiet, null, `since ${dated(serving.since)}`),
    challenger && h(Quiet, null, `${named(challenger)}: ${challenger.stage}`),
  );
}

const retrained = ({ at, outcome, version: made }) => ({
  at,
  label: made ? `${RETRAINS[outcome]} as ${version(made)}` : RETRAINS[outcome],
});

export function Quality({ model }) {
  const { quality, serving } = model;
  // A window that ended before what serves now came was answered by another version.
  const isBefore = serving && quality && when(quality.at.at(-1)) <= when(serving.since);
  const unit = isBefore ? `${sentence(quality.metric).toLowerCase()}, before ${version(serving.version)}` : undefined;
  return h(CurveCell, { model, curve: quality, format: number, width: "92px", unit });
}

// Not the share of columns beyond the thresholds of the spec, of which a decision's sentence may speak beside it.
export function Drift({ model }) {
  const label = "Importance in columns that moved beyond chance,";
  return h(CurveCell, { model, curve: model.drift, format: share, width: "48px", label, unit: "moved" });
}

function CurveCell({ model, curve, format, width, label, unit }) {
  if (!curve) return h(Quiet, null, "Not measured");
  const points = curve.at.map((at, index) => ({ at, value: curve.values[index] }));
  const last = curve.values.at(-1);
  const isOver = curve.limit !== null && last > curve.limit;
  const measure = label ?? sentence(curve.metric);
  const marks = model.retrains.map(retrained);
  const name = `${measure} of ${model.name}`;
  return h(
    UI.HStack,
    { gap: 2, align: "center", flexWrap: { base: "wrap", md: "nowrap" } },
    h(Sparkline, { label: name, points, limit: curve.limit, marks, format, w: width, flexShrink: 0 }),
    h(
      UI.Box,
      { minW: 0, title: measure },
      h(UI.Text, { fontWeight: isOver ? "bold" : "normal", whiteSpace: "nowrap" }, format(last)),
      // Names of metrics may be long ("mean absolute error"): they wrap rather than run into the next column.
      h(Quiet, null, unit ?? measure.toLowerCase()),
      isOver && h(Quiet, { whiteSpace: "nowrap" }, `over ${format(curve.limit)}`),
    ),
  );
}

export function Labels({ model }) {
  if (!model.maturity) return h(Quiet, null, "None yet");
  return h(Meter, { label: `Labels of ${model.name} that have arrived`, share: model.maturity.share, width: "64px" });
}

export function Budget({ model }) {
  const { budget } = model;
  if (!budget) return h(Quiet, null, "No objective");
  const objective = sentence(budget.objective).toLowerCase();
  if (budget.left === null) return h(Quiet, null, `${objective}: unknown`);
  const text = budget.left > 0 ? `${share(budget.left)} ${objective}` : `spent: ${objective}`;
  const color = BUDGETS[budget.state];
  return h(Meter, { label: `Error budget left of ${model.name}`, share: budget.left, text, color, width: "72px" });
}

export function Fresh({ model }) {
  if (!model.freshness) return h(Quiet, null, "None yet");
  const { days, limit } = model.freshness;
  const isOver = limit !== null && days > limit;
  return h(
    UI.Box,
    { whiteSpace: "nowrap" },
    h(UI.Text, { fontWeight: isOver ? "bold" : "normal" }, duration(days * DAY_S)),
    limit !== null && h(Quiet, null, `${isOver ? "over" : "of"} ${duration(limit * DAY_S)}`),
  );
}

export function Decision({ model }) {
  const { decision } = model;
  if (!decision) return h(Quiet, null, "None yet");
  const held = decision.held_by ? `, held by ${sentence(decision.held_by).toLowerCase()}` : "";
  return h(
    Fragment,
    null,
    h(UI.Text, { lineClamp: 3, title: decision.sentence }, capital(decision.sentence)),
    h(Quiet, null, `${dated(decision.at)}${held}`),
  );
}

export function Next({ model }) {
  const { approval, next_run: next } = model;
  if (!approval && !next) return h(Quiet, null, "Not scheduled");
  return h(
    UI.Stack,
    { gap: 1 },
    approval &&
      h(
        UI.Box,
        null,
        h(UI.Link, LINK, h(RouterLink, { to: pathOf(model) }, `Review ${version(approval.version)}`)),
        h(Quiet, null, `since ${dated(approval.since)}`),
      ),
    next &&
      h(
        UI.Box,
        { whiteSpace: "nowrap" },
        h(UI.Text, null, when(next.at) <= Date.now() ? "due" : ago(next.at)),
        h(Quiet, null, KINDS[next.kind] ?? next.kind),
      ),
  );
}

// In the order of the columns; `sort` names what a click on the header sorts by.
export const CELLS = [
  { key: "model", label: "Model", sort: "name", cell: Name, width: "11%" },
  { key: "state", label: "State", sort: "state", cell: State, width: "12%" },
  { key: "serving", label: "Serving", sort: "since", cell: Serving, width: "9.5%" },
  { key: "quality", label: "Quality", sort: "quality", cell: Quality, width: "14.5%" },
  { key: "drift", label: "Drift", sort: "drift", cell: Drift, width: "10.5%" },
  { key: "labels", label: "Labels", cell: Labels, width: "5.5%" },
  { key: "budget", label: "Error budget", sort: "budget", cell: Budget, width: "9%" },
  { key: "fresh", label: "Data age", cell: Fresh, width: "5.5%" },
  { key: "decision", label: "Last decision", sort: "decision", cell: Decision, width: "14.5%" },
  { key: "next", label: "Next", cell: Next, width: "8%" },
];
