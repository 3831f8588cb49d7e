// Every signal of a look, in words and with its unit.
import { capital, isNumber, number, plural, sentence, share } from "../../kit/format.js";
import { h, UI } from "../../kit/host.js";
import { written } from "./tree.js";

const COLORS = { drifted: "red", watch: "orange", stable: "green" };
const COLUMNS = ["Signal", "Value", "95 % interval", "Drifted from", "Verdict", "What it says"];

export function Readings({ readings }) {
  if (readings.length === 0) return null;
  return h(
    UI.Box,
    { as: "details" },
    h(UI.Box, { as: "summary", cursor: "pointer", fontWeight: "semibold" }, `What was read: ${plural(readings.length, "signal")}`),
    h(
      UI.Table.ScrollArea,
      { mt: 2, tabIndex: 0, role: "region", "aria-label": "What was read" },
      h(
        UI.Table.Root,
        { size: "sm" },
        h(
          UI.Table.Header,
          null,
          h(UI.Table.Row, null, COLUMNS.map((name) => h(UI.Table.ColumnHeader, { key: name, scope: "col" }, name))),
        ),
        h(UI.Table.Body, null, readings.map((each) => h(Row, { key: each.name, reading: each }))),
      ),
    ),
  );
}

function Row({ reading }) {
  const { low, high, limit, unit, verdict } = reading;
  const isKnown = isNumber(low) && isNumber(high);
  return h(
    UI.Table.Row,
    { verticalAlign: "top" },
    h(
      UI.Table.Cell,
      { minW: "12rem", whiteSpace: "normal" },
      h(UI.Text, { fontWeight: "semibold" }, sentence(reading.title)),
      h(UI.Text, { color: "fg.muted", fontSize: "xs" }, reading.meaning),
    ),
    h(UI.Table.Cell, { whiteSpace: "nowrap" }, reading.said ?? written(reading.value, unit)),
    h(UI.Table.Cell, { whiteSpace: "nowrap" }, isKnown ? between(low, high, unit) : ""),
    h(UI.Table.Cell, { whiteSpace: "nowrap" }, isNumber(limit) && !reading.said ? written(limit, unit) : ""),
    h(UI.Table.Cell, null, verdict && h(UI.Badge, { colorPalette: COLORS[verdict] ?? "gray", size: "sm" }, verdict)),
    h(UI.Table.Cell, { minW: "18rem", whiteSpace: "normal" }, [capital(reading.detail), measuredOn(reading)].filter(Boolean).join(". ")),
  );
}

function between(low, high, unit) {
  return unit === "share" ? `${share(low)} to ${share(high)}` : `${number(low)} to ${number(high)}`;
}

function measuredOn({ rows, maturity }) {
  if (!rows) return "";
  const matured = isNumber(maturity) ? `, ${share(maturity)} of the labels had arrived` : "";
  return `Measured on ${number(rows)} rows${matured}`;
}
