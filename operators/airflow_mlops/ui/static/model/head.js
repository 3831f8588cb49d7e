// What serves, since when, why and by whose word; what is held, what comes next, and the way to its DAGs.
import { Actions } from "../actions/bar.js";
import { Meter } from "../kit/charts.js";
import { ago, capital, moment, number, plural, sentence, share, span, version, when } from "../kit/format.js";
import { Fragment, h, RouterLink, UI } from "../kit/host.js";
import { STATES } from "../models/query.js";

// In the order of the loop; kinds that a model has beside these follow.
const KINDS = ["monitor", "retrain", "score", "bake", "actions"];
const NEXT = { retrain: "training", monitor: "look" };

export function Head({ head, reload }) {
  return h(
    UI.Stack,
    { as: "header", gap: 2 },
    h(
      UI.HStack,
      { justify: "space-between", align: "start", gap: 4, flexWrap: "wrap" },
      h(
        UI.Box,
        { minW: 0, flex: "1 1 320px" },
        h(Name, { head }),
        head.description && h(UI.Text, { color: "fg.muted", fontSize: "sm", overflowWrap: "anywhere" }, head.description),
        h(Serving, { head }),
      ),
      h(Actions, { head, reload }),
    ),
    h(Held, { head }),
    h(Facts, { head }),
    h(Links, { head }),
  );
}

function Name({ head }) {
  const state = STATES[head.state] ?? { color: "gray" };
  return h(
    UI.HStack,
    { gap: 2, flexWrap: "wrap" },
    h(UI.Heading, { as: "h1", size: "lg", overflowWrap: "anywhere" }, head.name),
    h(UI.Badge, { colorPalette: state.color, fontWeight: state.needsPerson ? "bold" : "medium" }, sentence(head.state)),
    head.tags.map((tag) => h(UI.Badge, { key: tag, variant: "outline" }, tag)),
  );
}

function Serving({ head }) {
  const { serving } = head;
  if (!serving) return h(UI.Text, { color: "fg.muted", fontSize: "sm", mt: 1 }, `Nothing serves: ${head.state === "no champion" ? head.why : "no version was promoted yet"}`);
  const parts = [`${version(serving.version)} serves since ${moment(serving.since, { year: true })}`, trained(serving.trained), word(serving)];
  return h(
    Fragment,
    null,
    h(UI.Text, { mt: 1, fontSize: "sm", overflowWrap: "anywhere" }, parts.filter(Boolean).join(" · ")),
    serving.reason && h(UI.Text, { color: "fg.muted", fontSize: "sm", overflowWrap: "anywhere" }, `Because: ${serving.reason}`),
  );
}

function trained({ rows, start, end, window, members }) {
  if (members > 1) return `a committee of ${number(members)} versions`;
  if (!rows) return null;
  const of = start && end ? ` of ${span(start, end)}` : "";
  return `trained on ${plural(rows, "row")}${of}${window && window !== "all" ? ` (${window})` : ""}`;
}

function word({ cause, by, approval }) {
  if (cause === "rollback") return `rolled back by ${by ?? "the loop"}`;
  if (!approval) return null;
  if (approval.answer === "automatic") return "no approval was asked for";
  return `approved by ${approval.by.join(" and ")}${approval.reason ? ` (${approval.reason})` : ""}`;
}

// What holds the loop, each in a sentence with who and why.
function Held({ head }) {
  const { serving, paused, promotions_frozen: frozen, approval, switched_off: off } = head;
  const since = ({ by, reason, since: at }) => `by ${by} since ${moment(at, { year: true })}: ${reason.replace(/[.\s]+$/, "")}`;
  const lines = [
    !["healthy", "no champion", "paused", "frozen"].includes(head.state) && head.why,
    paused && `The loop is paused ${since(paused)}`,
    frozen && `Promotions are frozen ${since(frozen)}`,
    serving?.frozen && `${version(serving.version)} is frozen ${since(serving.frozen)}; it goes on serving`,
    approval && head.state !== "needs approval" && `${version(approval.version)} waits for a person since ${moment(approval.since, { year: true })}`,
    serving && !serving.is_settled && `${version(serving.version)} was promoted, and the server has not answered with it yet`,
    off.length && `Switched off in Airflow: ${off.join(", ")}`,
  ].filter(Boolean);
  if (!lines.length) return null;
  return h(
    UI.Stack,
    { as: "ul", gap: 1, listStyleType: "none", borderLeftWidth: "3px", borderColor: `${STATES[head.state]?.color ?? "gray"}.solid`, pl: 3 },
    lines.map((line) => h(UI.Text, { as: "li", key: line, fontSize: "sm", overflowWrap: "anywhere" }, capital(line))),
  );
}

function Facts({ head }) {
  const { challenger, next_run: next, maturity } = head;
  const facts = [
    head.owners.length && ["Owner", head.owners.join(", ")],
    challenger && ["Challenger", `${challenger.version ? version(challenger.version) : "a new model"}: ${challenger.stage}, since ${moment(challenger.since, { year: true })}`],
    next && [`Next ${NEXT[next.kind] ?? next.kind}`, when(next.at) <= Date.now() ? "due" : ago(next.at)],
    maturity && ["Labels", h(Meter, { label: "Labels that have arrived", share: maturity.share, text: `${share(maturity.share)} of the window to ${moment(maturity.at)}` })],
    head.serving && ["Epoch", number(head.serving.epoch)],
  ].filter(Boolean);
  return h(
    UI.HStack,
    { as: "dl", columnGap: 6, rowGap: 2, align: "start", flexWrap: "wrap", fontSize: "sm" },
    facts.map(([name, value]) =>
      h(UI.Box, { key: name, minW: 0 }, h(UI.Text, { as: "dt", color: "fg.muted", fontSize: "xs" }, name), h(UI.Box, { as: "dd" }, value)),
    ),
  );
}

function Links({ head }) {
  const kinds = Object.keys(head.dags).sort((one, other) => place(one) - place(other));
  const links = [
    ...kinds.map((kind) => [`/dags/${head.dags[kind]}`, `${sentence(kind)} DAG`]),
    ...head.by_hand.map((dag) => [`/dags/${dag}`, dag]),
    [`/assets?name_pattern=${encodeURIComponent(`${head.name}/`)}`, "Assets"],
  ];
  return h(
    UI.HStack,
    { as: "nav", "aria-label": `Airflow's pages of ${head.name}`, gap: 4, flexWrap: "wrap", fontSize: "sm" },
    links.map(([to, words]) => h(UI.Link, { key: to, asChild: true, color: "fg.info" }, h(RouterLink, { to }, words))),
  );
}

const place = (kind) => (KINDS.indexOf(kind) + KINDS.length + 1) % (KINDS.length + 1);
