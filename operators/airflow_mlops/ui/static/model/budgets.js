// Objectives and their error budgets: the promise, what was kept, what may still be missed, and how fast it is used up.
import { useAnswer } from "../kit/api.js";
import { Card } from "../kit/card.js";
import { Meter, Sparkline } from "../kit/charts.js";
import { duration, isNumber, moment, number, sentence, share } from "../kit/format.js";
import { h, UI } from "../kit/host.js";
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
    h(Answered, { answer, label: "Loading budgets" }, ({ objectives, promised, promised_at: promisedAt, late }) =>
      h(
        UI.Stack,
        { gap: 4 },
        objectives.map((objective) => h(Objective, { key: objective.objective, objective })),
        promised.length > 0 && h(Unmeasured, { promised, at: promisedAt }),
        !objectives.length && !promised.length && h(None, { at: promisedAt }),
        late.length > 0 && h(LateRuns, { late }),
      ),
    ),
  );
}

// What is promised and was not measured: no budget is made up for it.
function Unmeasured({ promised, at }) {
  return h(
    UI.Stack,
    { gap: 3 },
    promised.map((each) =>
      h(
        UI.Box,
        { key: each.objective },
        h(
          UI.HStack,
          { justify: "space-between", gap: 3, align: "baseline" },
          h(UI.Text, { as: "h3", fontWeight: "semibold", fontSize: "sm" }, sentence(each.objective)),
          h(UI.Badge, { size: "xs", flexShrink: 0 }, "not measured yet"),
        ),
        h(UI.Text, { fontSize: "xs", color: "fg.muted" }, NAMES[each.objective]?.split(": ")[1] ?? ""),
        h(UI.Text, { fontSize: "sm" }, `${[each.target !== null && `${percent(each.target)} is promised`, each.limit && `limit ${each.limit}`].filter(Boolean).join(", ")}.`),
      ),
    ),
    h(UI.Text, { fontSize: "xs", color: "fg.muted" }, `By the spec of the training of ${moment(at, { year: true })}; the monitor's next look measures it.`),
  );
}

function None({ at }) {
  return h(
    Empty,
    { title: at ? "Nothing is promised of this model." : "No objective is on record." },
    h(UI.Text, { fontSize: "sm", mb: 2 }, `${at ? `So says the spec of the training of ${moment(at, { year: true })}. ` : ""}A section slo in the spec promises something, and the next look of the monitor measures it:`),
    h(UI.Code, { as: "pre", display: "inline-block", textAlign: "left", maxW: "full", whiteSpace: "pre-wrap", p: 2, fontSize: "xs" }, EXAMPLE),
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
      h(Meter, { label: `Error budget of ${objective.objective.replaceAll("_", " ")}`, share: known ? Math.max(objective.left, 0) : null, text: left, color, width: "140px", fontSize: "sm" }),
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
  const promise = `${percent(objective.target)} is promised`;
  return isNumber(objective.sli) ? `${percent(objective.sli)} of ${number(total)} were good; ${promise}.` : `${promise}; nothing was counted yet.`;
}

// Two nines and three have to look different.
const percent = (part) => `${number(part * 100, { digits: 4 })} %`;

// An alert is on where its long and its short window both burn faster than its limit.
function Burns({ burns }) {
  const rates = burns.map(({ long, short }) => (isNumber(long) && isNumber(short) ? Math.min(long, short) : null)).filter(isNumber);
  const on = burns.find((burn) => burn.is_on);
  const fastest = rates.length ? `Burning ${number(Math.max(...rates), { digits: 2 })} times as fast as it may` : "How fast it burns is not known yet";
  return h(
    UI.Box,
    { as: "details", fontSize: "xs", color: "fg.muted", mt: 1 },
    h(UI.Box, { as: "summary", cursor: "pointer" }, on ? h(UI.Text, { as: "span", color: "fg.error", fontWeight: "semibold" }, `${fastest}: ${on.kind}`) : fastest),
    h(UI.Stack, { as: "ul", gap: 0, mt: 1, ps: 4 }, burns.map((burn) => h("li", { key: `${burn.kind}${burn.limit}` }, burnWords(burn)))),
  );
}

function burnWords({ kind, limit, long_days: days, long, short, is_on: isOn }) {
  const rates = isNumber(long) && isNumber(short) ? `${number(long, { digits: 2 })}, and ${number(short, { digits: 2 })} lately` : "not enough data";
  return `Over ${duration(days * 86_400)}: ${rates}; a ${kind} above ${number(limit)}${isOn ? ", which is on" : ""}.`;
}

function LateRuns({ late }) {
  return h(
    UI.Stack,
    { as: "ul", gap: 1, listStyleType: "none", fontSize: "sm" },
    late.slice(0, 5).map((each) => h(UI.Text, { as: "li", key: `${each.at}${each.sentence}` }, `${moment(each.at, { year: true })}: ${each.sentence}`)),
  );
}
