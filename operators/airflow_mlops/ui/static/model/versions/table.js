// One row a version, the newest first; the chosen one is told below the table.
import { moment, number, sentence, span, version } from "../../kit/format.js";
import { h, UI } from "../../kit/host.js";

const COLUMNS = ["Version", "Role", "Made", "Registered", "Rows", "Gate", "Approval", "Served"];
const ROLES = { champion: "green", shadow: "blue", frozen: "orange", refused: "red" };
const VERDICTS = { pass: "green", passed: "green", fail: "red" };

export function VersionTable({ versions, chosen, choose }) {
  return h(
    UI.Table.ScrollArea,
    { tabIndex: 0, role: "region", "aria-label": "Versions" },
    h(
      UI.Table.Root,
      { size: "sm", interactive: true },
      h(
        UI.Table.Header,
        null,
        h(UI.Table.Row, null, COLUMNS.map((name) => h(UI.Table.ColumnHeader, { key: name, scope: "col" }, name))),
      ),
      h(
        UI.Table.Body,
        null,
        versions.map((row) => h(Row, { key: row.id, row, isChosen: row.id === chosen, choose: () => choose(row.id) })),
      ),
    ),
  );
}

function Row({ row, isChosen, choose }) {
  const cell = (content, props) => h(UI.Table.Cell, { whiteSpace: "nowrap", ...props }, content);
  return h(
    UI.Table.Row,
    { bg: isChosen ? "bg.muted" : undefined },
    cell(h(Name, { row, isChosen, choose })),
    cell(h(UI.Badge, { colorPalette: ROLES[row.role] ?? "gray", size: "sm" }, row.role)),
    cell(made(row)),
    cell(moment(row.at, { year: true })),
    cell(number(row.rows), { fontVariantNumeric: "tabular-nums" }),
    cell(row.verdict && h(Verdict, { verdict: row.verdict })),
    cell(row.approval ?? "—"),
    cell(served(row)),
  );
}

function Name({ row, isChosen, choose }) {
  const name = row.version ? version(row.version) : "no version";
  return h(
    UI.Button,
    {
      size: "xs",
      variant: isChosen ? "solid" : "outline",
      onClick: choose,
      "aria-pressed": isChosen,
      "aria-label": `Show the evidence of ${row.version ? name : `the challenger of ${moment(row.at, { year: true })}`}`,
    },
    name,
  );
}

export function Verdict({ verdict }) {
  return h(UI.Badge, { colorPalette: VERDICTS[verdict] ?? "orange", size: "sm" }, verdict);
}

function made(row) {
  const window = row.window ? `, rows: ${row.window}` : "";
  return `${sentence(row.made)}${row.made === "trained" ? window : ""}`;
}

function served(row) {
  if (row.services === 0) return "never";
  const last = row.until ? span(row.since, row.until) : `since ${moment(row.since, { year: true })}`;
  return row.services > 1 ? `${last} (${row.services} times)` : last;
}
