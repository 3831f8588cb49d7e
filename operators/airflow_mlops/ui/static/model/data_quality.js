// What the data check said of the last snapshots: a strip of marks, then what was found in the one that is chosen.
import { useAnswer } from "../kit/api.js";
import { Card } from "../kit/card.js";
import { moment, number, plural, sentence, span } from "../kit/format.js";
import { h, UI } from "../kit/host.js";
import { ReportLink } from "../kit/reports.js";
import { Answered, Empty } from "../kit/states.js";
import { useChosen } from "./place.js";

// Colour, shape and word: none of them alone.
const VERDICTS = {
  passed: { mark: "●", color: "fg.success", words: "passed" },
  warning: { mark: "▲", color: "fg.warning", words: "warning" },
  failed: { mark: "■", color: "fg.error", words: "failed" },
};
const UNKNOWN = { mark: "◌", color: "fg.muted", words: "unknown" };
const SEVERITIES = { critical: "red", warning: "orange", info: "gray" };

const look = (check) => VERDICTS[check.verdict] ?? { ...UNKNOWN, words: check.verdict };

export function DataQuality({ base }) {
  const answer = useAnswer(`${base}/data-quality`);
  return h(
    Card,
    { title: "Data quality" },
    h(Answered, { answer, label: "Loading the data checks" }, ({ checks, incoming }) =>
      checks.length ? h(History, { checks, incoming }) : h(Empty, { title: "No rows were checked yet.", children: h(UI.Text, null, "The monitor checks each window before anything else looks at it.") }),
    ),
  );
}

function History({ checks, incoming }) {
  const [seq, setSeq] = useChosen("check", { replace: true });
  const chosen = checks.find((check) => String(check.seq) === seq) ?? checks[0];
  return h(
    UI.Stack,
    { gap: 3 },
    h(UI.Text, { fontSize: "sm" }, counted(checks)),
    h(Strip, { checks, chosen, choose: setSeq }),
    h(Details, { check: chosen, incoming: chosen === checks[0] ? incoming : null }),
  );
}

function counted(checks) {
  const words = checks.map((check) => look(check).words);
  const kinds = [...new Set(words)].sort().map((kind) => `${number(words.filter((each) => each === kind).length)} ${kind}`);
  return `The last ${plural(checks.length, "check")}: ${kinds.join(", ")}.`;
}

// Oldest left. One stop for the keyboard; arrows move within, as in a list of radio buttons.
function Strip({ checks, chosen, choose }) {
  const ordered = [...checks].reverse();
  const move = (event) => {
    const place = ordered.indexOf(chosen);
    const next = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: ordered.length - 1 }[event.key];
    if (next === undefined || !ordered[next]) return;
    event.preventDefault();
    choose(ordered[next].seq);
    event.currentTarget.children[next].focus();
  };
  return h(
    UI.HStack,
    { role: "radiogroup", "aria-label": "Data checks, oldest first", gap: 0, flexWrap: "wrap", onKeyDown: move },
    ordered.map((check) => h(Mark, { key: check.seq, check, isChosen: check === chosen, choose })),
  );
}

function Mark({ check, isChosen, choose }) {
  const { mark, color, words } = look(check);
  const name = `${moment(check.at, { year: true })}: ${words}`;
  return h(
    UI.Box,
    {
      as: "button",
      type: "button",
      role: "radio",
      "aria-checked": isChosen,
      "aria-label": name,
      title: name,
      tabIndex: isChosen ? 0 : -1,
      onClick: () => choose(check.seq),
      onFocus: () => choose(check.seq),
      color,
      w: "18px",
      h: "26px",
      fontSize: "sm",
      lineHeight: "26px",
      textAlign: "center",
      borderRadius: "sm",
      bg: isChosen ? "bg.emphasized" : undefined,
      cursor: "pointer",
      _hover: { bg: "bg.muted" },
      _focusVisible: { outline: "2px solid", outlineColor: "border.info" },
    },
    mark,
  );
}

function Details({ check, incoming }) {
  const { mark, color, words } = look(check);
  const rows = check.rows === null ? "" : `${plural(check.rows, check.part === "labels" ? "label" : "row")}${check.start && check.end ? `, ${span(check.start, check.end)}` : ""}`;
  return h(
    UI.Box,
    { borderTopWidth: "1px", pt: 3 },
    h(
      UI.HStack,
      { gap: 3, flexWrap: "wrap", align: "baseline" },
      h(UI.Text, { fontWeight: "semibold" }, h(UI.Text, { as: "span", color, "aria-hidden": true }, `${mark} `), `${sentence(words)}, ${moment(check.at, { year: true })}`),
      h(UI.Text, { color: "fg.muted", fontSize: "sm" }, rows),
      h(ReportLink, { to: check.report, fontSize: "sm" }, "Data Docs"),
    ),
    h(UI.Text, { fontSize: "sm", color: "fg.muted" }, facts(check, incoming)),
    h(LateParts, { check }),
    h(Findings, { check }),
  );
}

function facts(check, incoming) {
  const said = [
    `${number(check.critical)} critical, ${plural(check.warning, "warning")}, ${number(check.info)} info`,
    check.expectations === null ? null : plural(check.expectations, "expectation"),
    check.quarantined ? `${plural(check.quarantined, "row")} in quarantine` : "no row in quarantine",
    check.parts > 1 ? `${number(check.parts)} parts` : null,
    incoming?.outside ? `${plural(incoming.outside, "row")} outside of the window left out` : null,
    incoming?.undated ? `${plural(incoming.undated, "row")} without a time left out` : null,
  ];
  return `${said.filter(Boolean).join("; ")}.`;
}

function LateParts({ check }) {
  if (!check.late_parts) return null;
  const words = ({ start, end, before, now }) => {
    const change = now === before ? `other values in ${plural(now, "row")}` : now > before ? `${plural(now - before, "late row")}, now ${number(now)}` : `${plural(before - now, "row")} gone, now ${number(now)}`;
    return `${moment(start, { year: true })} to ${moment(end, { year: true })}: ${change}.`;
  };
  return h(
    UI.Box,
    { fontSize: "sm", mt: 2 },
    h(UI.Text, null, `${plural(check.late_parts, "part")} of its time came late, or changed, since an earlier snapshot:`),
    h(UI.Stack, { as: "ul", gap: 0, ps: 4 }, check.late.map((part) => h("li", { key: part.start }, words(part)))),
    check.late_parts > check.late.length && h(UI.Text, { fontSize: "xs", color: "fg.muted" }, `${number(check.late_parts - check.late.length)} earlier ones.`),
  );
}

function Findings({ check }) {
  const total = check.critical + check.warning + check.info;
  if (!check.findings.length) return null;
  return h(
    UI.Stack,
    { as: "ul", gap: 1, mt: 2, listStyleType: "none" },
    check.findings.map((found, place) =>
      h(
        UI.HStack,
        { as: "li", key: place, align: "baseline", gap: 2, fontSize: "sm" },
        h(UI.Badge, { colorPalette: SEVERITIES[found.severity] ?? "gray", size: "xs", flexShrink: 0 }, found.severity),
        h(UI.Text, { minW: 0, overflowWrap: "anywhere" }, found.message),
      ),
    ),
    total > check.findings.length &&
      h(UI.Text, { as: "li", fontSize: "xs", color: "fg.muted" }, `${number(total - check.findings.length)} more in the Data Docs.`),
  );
}
