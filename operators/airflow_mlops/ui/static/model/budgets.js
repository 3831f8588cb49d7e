// Objectives and their error budgets: the promise, what was kept, what may still be missed, and how fast it is used up.
import { useAnswer } from "../kit/api.js";
import { Card } from "../kit/card.js";
import { Meter, Sparkline } from "../kit/charts.js";
import { isNumber, moment, number, sentence, share } from "../kit/format.js";
import { Fragment, h, UI } from "../kit/host.js";
import { Answered, Empty } from "../kit/states.js";

// Colour and word of each state; the worst first, as the server gives them.
const STATES = {
  spent: { color: "red", words: "spent" },
  page: { color: "red", words: "burning fast" },
  ticket: { color: "orange", words: "burning" },
  ok: { color: "green", words: "in order" },
  unknown: { color: "gray", words: "not enough data" },
};
const NAMES = {
  quality: "Quality: labelled rows in windows whose loss is within the limit",
  freshness: "Freshness: looks whose newest row is young enough",
  completeness: "Completeness: windows with enough labels when they are due",
  latency: "Latency: requests answered in time",
  loop_time: "Loop time: retrainings that ended in time",
};
const EXAMPLE = "slo:\n  freshness: {limit: 2d, target: 0.95}";

export function Budgets({ base }) {
  const answer = useAnswer(`${base}/budgets`);
  return h(
    Card,
    { title: "Objectives and error budgets", aside: answer.data?.at && h(UI.Text, { fontSize: "xs", color: "fg.muted" }, `look of ${moment(answer.data.at, { year: true })}`) },
    h(Answered, { answer, label: "Loading budgets" }, ({ objectives, late }) =>
      h(
        UI.Stack,
        { gap: 4 },
        objectives.length ? objectives.map((objective) => h(Objective, { key: objective.objective, objective })) : h(None),
        late.length > 0 && h(LateRuns, { late }),
      ),
    ),
  );
}

function None() {
  return h(
    Empty,
    { title: "Nothing is promised of this model yet." },
    h(UI.Text, { fontSize: "sm", mb: 2 }, "Add a section slo to its spec; the next look of the monitor measures it:"),
    h(UI.Code, { as: "pre", display: "inline-block", textAlign: "left", p: 2, fontSize: "xs" }, EXAMPLE),
  );
}

function Objective({ objective }) {
  const { color, words } = STATES[objective.state] ?? STATES.unknown;
  const known = objective.state !== "unknown" && isNumber(objective.left);
  const left = known ? `${objective.left > 0 ? share(objective.left) : "nothing"} left` : "not enough data";
  return h(
    UI.Box,
    null,
    h(
      UI.HStack,
      { justify: "space-between", gap: 3, align: "baseline" },
      h(UI.Text, { as: "h3", fontWeight: "semibold", fontSize: "sm" }, sentence(objective.objective)),
      h(UI.Badge, { size: "xs", colorPalette: color, flexShrink: 0 }, words),
    ),
    h(UI.Text, { fontSize: "xs", color: "fg.muted" }, NAMES[objective.objective]?.split(": ")[1] ?? ""),
    h(
      UI.HStack,
      { gap: 4, mt: 1, flexWrap: "wrap", align: "start" },
      h(Meter, { label: `Error budget of ${objective.objective.replaceAll("_", " ")}`, share: known ? Math.max(objective.left, 0) : null, text: left, color, width: "140px" }),
      h(UI.Text, { fontSize: "sm", flex: 1, minW: "12rem" }, kept(objective)),
      objective.history.length > 1 &&
        h(Sparkline, {
          label: `Budget left of ${objective.objective.replaceAll("_", " ")} over the last ${objective.history.length} looks`,
          points: objective.history.map((each) => ({ at: each.at, value: each.state === "unknown" ? null : each.left })),
          limit: 0,
          format: share,
          w: "120px",
        }),
    ),
    known && h(Burns, { burns: objective.burns }),
  );
}

function kept(objective) {
  const total = objective.good + objective.bad;
  if (!isNumber(objective.sli)) return `${share(objective.target)} is promised; nothing was counted yet.`;
  return `${share(objective.sli)} of ${number(total)} were good; ${share(objective.target)} is promised.`;
}

// A window is on alert where both its long and its short part burn faster than its limit.
function Burns({ burns }) {
  const name = (days) => (days >= 1 ? `${number(days, { digits: 2 })} d` : `${number(days * 24, { digits: 2 })} h`);
  const said = burns.map((burn) => {
    const rates = isNumber(burn.long) && isNumber(burn.short) ? `${number(burn.long, { digits: 2 })} and lately ${number(burn.short, { digits: 2 })} times` : "not enough data";
    return { ...burn, words: `over ${name(burn.long_days)}: ${rates}, ${burn.kind} above ${number(burn.limit)}` };
  });
  return h(
    UI.Text,
    { fontSize: "xs", color: "fg.muted", mt: 1 },
    "Burn rate ",
    said.map((burn, place) =>
      h(Fragment, { key: place }, place > 0 && "; ", h(UI.Text, { as: "span", color: burn.is_on ? "fg.error" : undefined, fontWeight: burn.is_on ? "semibold" : undefined }, burn.is_on ? `${burn.words} (on)` : burn.words)),
    ),
    ".",
  );
}

function LateRuns({ late }) {
  return h(
    UI.Stack,
    { as: "ul", gap: 1, listStyleType: "none", fontSize: "sm" },
    late.slice(0, 5).map((each) => h(UI.Text, { as: "li", key: `${each.at}${each.sentence}` }, `${moment(each.at, { year: true })}: ${each.sentence}`)),
  );
}
