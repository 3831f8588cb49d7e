// The page of one model: its head, and a card for each part. A part asks for its own answer.
import { OURS, useAnswer } from "../kit/api.js";
import { h, RouterLink, UI, useEffect } from "../kit/host.js";
import { Loading, Trouble } from "../kit/states.js";
import { Audit } from "./audit.js";
import { Budgets } from "./budgets.js";
import { DataQuality } from "./data_quality.js";
import { Decision } from "./decision.js";
import { Drift } from "./drift.js";
import { Head } from "./head.js";
import { Sections } from "./sections.js";
import { Timeline } from "./timeline.js";
import { Traffic } from "./traffic.js";
import { Versions } from "./versions.js";

// In the order of the page; `wide` ones take a whole row.
const PARTS = [
  { id: "timeline", words: "Timeline", part: Timeline, wide: true },
  { id: "decision", words: "Decision", part: Decision, wide: true },
  { id: "versions", words: "Versions", part: Versions, wide: true },
  { id: "drift", words: "Drift", part: Drift, wide: true },
  { id: "data-quality", words: "Data quality", part: DataQuality },
  { id: "objectives", words: "Objectives", part: Budgets },
  { id: "traffic", words: "Traffic", part: Traffic, wide: true },
  { id: "audit", words: "Audit trail", part: Audit, wide: true },
];

export function ModelPage({ name }) {
  const base = `${OURS}/models/${encodeURIComponent(name)}`;
  const answer = useAnswer(base);
  useEffect(() => {
    document.title = `${name} - Models - Airflow`;
  }, [name]);
  return h(
    UI.Box,
    { p: { base: 3, md: 6 }, minW: 0 },
    h(Way, { name }),
    h(Trouble, answer),
    answer.error && !answer.data && h(Missing, { name, error: answer.error, reload: answer.reload }),
    !answer.error && !answer.data && h(Loading, { label: `Loading ${name}` }),
    answer.data && h(Parts, { base, head: answer.data, reload: answer.reload }),
  );
}

function Parts({ base, head, reload }) {
  return h(
    UI.Stack,
    { gap: 4 },
    h(Head, { head, reload }),
    h(Sections, { sections: PARTS }),
    h(
      UI.SimpleGrid,
      { columns: { base: 1, xl: 2 }, gap: 4, alignItems: "start" },
      PARTS.map(({ id, part, wide }) =>
        h(UI.GridItem, { key: id, id, scrollMarginTop: 2, colSpan: wide ? { base: 1, xl: 2 } : 1, minW: 0 }, h(part, { base, head })),
      ),
    ),
  );
}

// The way back to the list.
function Way({ name }) {
  return h(
    UI.HStack,
    { as: "nav", "aria-label": "Breadcrumb", gap: 2, mb: 2, fontSize: "sm", color: "fg.muted", minW: 0 },
    h(UI.Link, { asChild: true, color: "fg.info" }, h(RouterLink, { to: "/plugin/models" }, "Models")),
    h("span", { "aria-hidden": true }, "/"),
    h(UI.Text, { as: "span", "aria-current": "page", truncate: true }, name),
  );
}

// What can be done about a page that has nothing to show.
const HELP = {
  404: "The name may be misspelled, its DAGs may be gone or hold an import error, or you may need a permission to read them.",
  503: "The page asks again by itself. Whoever runs Airflow finds the whole story in the API server's log; what a ledger holds is checked with: airflow-mlops ledger verify",
};

function Missing({ name, error, reload }) {
  return h(
    UI.Stack,
    { gap: 3, align: "start" },
    h(UI.Heading, { as: "h1", size: "lg", overflowWrap: "anywhere" }, name),
    HELP[error.status] && h(UI.Text, { color: "fg.muted" }, HELP[error.status]),
    h(UI.Button, { size: "sm", variant: "outline", onClick: reload }, "Ask again"),
  );
}
