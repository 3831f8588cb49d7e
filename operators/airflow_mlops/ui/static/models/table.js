// The list, as a table where there is room, as cards where there is not.
import { h, UI } from "../kit/host.js";
import { CELLS, Name, State } from "./cells.js";
import { sorted } from "./query.js";

export function ModelTable({ models, query, change }) {
  return h(
    UI.Box,
    { overflowX: "auto", role: "region", "aria-label": "Table of models", tabIndex: 0 },
    h(
      UI.Table.Root,
      { size: "sm", minW: "1140px", tableLayout: "fixed" },
      h(
        UI.Table.Header,
        null,
        h(
          UI.Table.Row,
          null,
          CELLS.map((column) => h(ColumnHeader, { key: column.key, column, query, change })),
        ),
      ),
      h(
        UI.Table.Body,
        null,
        models.map((model) => h(ModelRow, { key: model.name, model })),
      ),
    ),
  );
}

function ColumnHeader({ column, query, change }) {
  const { label, sort, width } = column;
  if (!sort) return h(UI.Table.ColumnHeader, { w: width, px: 2 }, label);
  const isSorted = query.sort === sort;
  const arrow = isSorted ? (query.descending ? " ↓" : " ↑") : "";
  return h(
    UI.Table.ColumnHeader,
    { w: width, px: 2, "aria-sort": isSorted ? (query.descending ? "descending" : "ascending") : "none" },
    h(
      UI.chakra.button,
      {
        type: "button",
        onClick: () => change(sorted(query, sort)),
        cursor: "pointer",
        fontWeight: isSorted ? "bold" : "medium",
        textAlign: "start",
        _hover: { textDecoration: "underline" },
      },
      label,
      h("span", { "aria-hidden": true }, arrow),
    ),
  );
}

function ModelRow({ model }) {
  return h(
    UI.Table.Row,
    { verticalAlign: "top" },
    CELLS.map(({ key, cell }) => h(UI.Table.Cell, { key, px: 2, py: 3, overflowWrap: "anywhere" }, h(cell, { model }))),
  );
}

export function ModelCards({ models }) {
  return h(
    UI.SimpleGrid,
    { as: "ul", columns: { base: 1, md: 2 }, gap: 3, listStyleType: "none", p: 0 },
    models.map((model) => h(ModelCard, { key: model.name, model })),
  );
}

// Two and two in a line: the broader one first.
const CARD_KEYS = ["quality", "drift", "serving", "fresh", "budget", "labels", "decision", "next"];
const CARD_CELLS = CARD_KEYS.map((key) => CELLS.find((cell) => cell.key === key));

function ModelCard({ model }) {
  return h(
    UI.Box,
    { as: "li", borderWidth: "1px", borderRadius: "md", p: 3, minW: 0 },
    h(
      UI.HStack,
      { justify: "space-between", align: "start", gap: 3, mb: 3 },
      h(Name, { model }),
      h(UI.Box, { textAlign: "end", maxW: "55%" }, h(State, { model })),
    ),
    h(
      UI.SimpleGrid,
      { as: "dl", templateColumns: "3fr 2fr", gap: 3 },
      CARD_CELLS.map(({ key, label, cell }) =>
        h(
          UI.GridItem,
          { key, minW: 0, fontSize: "sm", overflowWrap: "anywhere" },
          h(UI.Text, { as: "dt", fontSize: "xs", color: "fg.muted" }, label),
          h(UI.Box, { as: "dd", m: 0 }, h(cell, { model })),
        ),
      ),
    ),
  );
}
