// How the gate judged a version: metrics beside champion and baseline, and each check in plain words.
import { capital, isNumber, number, plural, share, version } from "../../kit/format.js";
import { h, UI } from "../../kit/host.js";
import { Verdict } from "./table.js";

export function GateEvidence({ evidence }) {
  return h(
    UI.Stack,
    { gap: 3 },
    h(
      UI.HStack,
      { gap: 2, flexWrap: "wrap" },
      h(UI.Heading, { as: "h4", size: "xs" }, evidence.gate === "light" ? "Light gate" : "Gate"),
      h(Verdict, { verdict: evidence.verdict }),
      h(UI.Text, { color: "fg.muted", fontSize: "sm" }, judgedOn(evidence)),
    ),
    h(Sentences, { texts: evidence.reasons }),
    evidence.risks.length > 0 &&
      h(UI.Text, { color: "fg.muted", fontSize: "sm" }, `What a person may want to see: ${evidence.risks.map(spelled).join(", ")}.`),
    evidence.metrics.length > 0 && h(Metrics, { evidence }),
    evidence.checks.length > 0 && h(Checks, { evidence }),
    h(Sentences, { texts: evidence.notes.filter((each) => !evidence.reasons.includes(each)) }),
    !evidence.is_whole &&
      h(UI.Text, { color: "fg.muted", fontSize: "sm" }, "Its report is not in the store any more; this is what the ledger has."),
  );
}

const spelled = (text) => text.replaceAll("_", " ");

function Sentences({ texts }) {
  if (texts.length === 0) return null;
  return h(
    UI.Box,
    { as: "ul", ps: 5, listStyleType: "disc" },
    texts.map((each) => h(UI.Box, { as: "li", key: each }, capital(each))),
  );
}

function judgedOn(evidence) {
  const parts = [
    evidence.champion_version ? `beside ${version(evidence.champion_version)}` : "without a champion to beat",
    evidence.rows !== null && `on ${plural(evidence.rows, "row")}`,
    evidence.units !== null && evidence.units !== evidence.rows && `in ${plural(evidence.units, "block")}`,
    evidence.windows !== null && `of ${plural(evidence.windows, "labelled window")}`,
    evidence.confidence !== null && `each bound at ${share(evidence.confidence)}`,
    evidence.test && `by ${spelled(evidence.test)}`,
  ];
  return parts.filter(Boolean).join(", ");
}

function Metrics({ evidence }) {
  const hasBaseline = evidence.metrics.some((each) => each.baseline !== null);
  const names = ["Metric", "Challenger", "Champion", ...(hasBaseline ? ["Baseline"] : []), "Difference (interval)", "Verdict"];
  return h(
    Table,
    { label: "Metrics on the same rows", names },
    evidence.metrics.map((metric) =>
      h(
        UI.Table.Row,
        { key: metric.name },
        h(
          UI.Table.Cell,
          null,
          spelled(metric.name),
          h(UI.Text, { as: "span", color: "fg.muted", fontSize: "xs" }, metric.is_loss ? " lower is better" : " higher is better"),
        ),
        h(Figure, null, number(metric.challenger)),
        h(Figure, null, number(metric.champion)),
        hasBaseline && h(Figure, null, number(metric.baseline)),
        h(Figure, null, difference(metric)),
        h(UI.Table.Cell, null, metric.verdict && h(Verdict, { verdict: metric.verdict })),
      ),
    ),
  );
}

function Checks({ evidence }) {
  const failed = (check) => (check.verdict === "pass" ? 1 : 0);
  const checks = [...evidence.checks].sort((one, other) => failed(one) - failed(other));
  return h(
    Table,
    { label: "Checks of the gate", names: ["Check", "Verdict", "Challenger", "Beside", "Difference or value", "Limit"] },
    checks.map((check) =>
      h(
        UI.Table.Row,
        { key: check.name, verticalAlign: "top" },
        h(
          UI.Table.Cell,
          { minW: "18rem", whiteSpace: "normal" },
          h(UI.Text, { fontWeight: "semibold" }, check.asks),
          check.sentence && !evidence.reasons.includes(check.sentence) && h(UI.Text, { color: "fg.muted", fontSize: "sm" }, capital(check.sentence)),
          check.risk && h(UI.Text, { color: "fg.warning", fontSize: "sm" }, `A person may want to see it: ${spelled(check.risk)}.`),
        ),
        // Beside the question, so that a small screen shows it without scrolling.
        h(UI.Table.Cell, null, h(Verdict, { verdict: check.verdict })),
        h(Figure, null, number(check.challenger, { unit: check.unit })),
        h(Figure, null, number(check.opponent, { unit: check.unit })),
        h(Figure, null, found(check)),
        h(Figure, null, isNumber(check.limit) ? measured(check.limit, check) : "—"),
      ),
    ),
  );
}

function Table({ label, names, children }) {
  return h(
    UI.Table.ScrollArea,
    { tabIndex: 0, role: "region", "aria-label": label },
    h(
      UI.Table.Root,
      { size: "sm" },
      h(
        UI.Table.Header,
        null,
        h(UI.Table.Row, null, names.map((name) => h(UI.Table.ColumnHeader, { key: name, scope: "col" }, name))),
      ),
      h(UI.Table.Body, null, children),
    ),
  );
}

function Figure({ children }) {
  return h(UI.Table.Cell, { whiteSpace: "nowrap", fontVariantNumeric: "tabular-nums" }, children);
}

function difference({ difference: value, low, high }) {
  return isNumber(value) ? `${number(value, { signed: true })}${interval(low, high)}` : "—";
}

const interval = (low, high) =>
  isNumber(low) && isNumber(high) ? ` (${number(low, { signed: true })} to ${number(high, { signed: true })})` : "";

// Losses and guards are differences; everything else is a value of its own.
function found(check) {
  if (!isNumber(check.value)) return "—";
  return `${measured(check.value, check)}${interval(check.low, check.high)}`;
}

function measured(value, { value_unit: unit, group }) {
  if (unit === "share") return share(value);
  return number(value, { unit, signed: group === "loss" || group === "guard" });
}
