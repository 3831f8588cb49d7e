// The page of one model: its head, and a card for each part. A part asks for its own answer.
import { OURS, useAnswer } from "../kit/api.js";
import { h, UI } from "../kit/host.js";
import { Answered } from "../kit/states.js";
import { Audit } from "./audit.js";
import { DataQuality } from "./data_quality.js";
import { Drift } from "./drift.js";
import { Decision } from "./decision.js";
import { Head } from "./head.js";
import { Timeline } from "./timeline.js";

// In the order of the page; `wide` ones take a whole row.
const PARTS = [
  { part: Timeline, wide: true },
  { part: Decision, wide: true },
  { part: Drift, wide: true },
  { part: DataQuality },
  { part: Audit, wide: true },
];

export function ModelPage({ name }) {
  const base = `${OURS}/models/${encodeURIComponent(name)}`;
  const answer = useAnswer(base);
  return h(
    UI.Box,
    { p: 6 },
    h(Answered, { answer, label: `Loading ${name}` }, (head) =>
      h(
        UI.Stack,
        { gap: 4 },
        h(Head, { head, reload: answer.reload }),
        h(
          UI.SimpleGrid,
          { columns: { base: 1, xl: 2 }, gap: 4, alignItems: "start" },
          PARTS.map(({ part, wide }) =>
            h(UI.GridItem, { key: part.name, colSpan: wide ? { base: 1, xl: 2 } : 1, minW: 0 }, h(part, { base, head })),
          ),
        ),
      ),
    ),
  );
}
