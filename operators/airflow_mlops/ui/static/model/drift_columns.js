// The columns of a look: a filter, an order, and a picture for each that is shown, twelve asked for at once.
import { useAnswer } from "../kit/api.js";
import { Bars } from "../kit/charts.js";
import { number, plural, sentence, share } from "../kit/format.js";
import { h, UI, useMemo, useState } from "../kit/host.js";
import { Trouble } from "../kit/states.js";

const FIRST = 6;
const PAGE = 12;
const ORDERS = {
  score: { words: "Farthest beyond its threshold first", by: (a, b) => b.severity - a.severity },
  effect: { words: "Largest effect first", by: (a, b) => (b.effect?.value ?? -1) - (a.effect?.value ?? -1) },
  name: { words: "By name", by: (a, b) => a.column.localeCompare(b.column) },
};
const KINDS = {
  all: { words: "All columns", keeps: () => true },
  drifted: { words: "Beyond the threshold", keeps: (column) => column.verdict === "drifted" },
  numerical: { words: "Numbers", keeps: (column) => column.kind === "numerical" },
  categorical: { words: "Categories", keeps: (column) => column.kind === "categorical" },
};

export function Columns({ drift, base }) {
  const [wanted, setWanted] = useState({ order: "score", kind: "all", text: "" });
  const [count, setCount] = useState(FIRST);
  const found = useMemo(() => {
    const text = wanted.text.trim().toLowerCase();
    const kept = drift.columns.filter((each) => KINDS[wanted.kind].keeps(each) && each.column.toLowerCase().includes(text));
    return kept.sort(ORDERS[wanted.order].by);
  }, [drift, wanted]);
  const shown = found.slice(0, count);
  const beside = [drift.prediction && { ...drift.prediction, is: "prediction" }, drift.label && { ...drift.label, is: "label" }].filter(Boolean);
  const pages = Array.from({ length: Math.ceil(shown.length / PAGE) }, (_, page) => shown.slice(page * PAGE, (page + 1) * PAGE));
  return h(
    UI.Stack,
    { gap: 3 },
    h(Legend),
    beside.length > 0 && h(Page, { columns: beside, base, look: drift.look.id, isFirst: true }),
    drift.total > FIRST && h(Controls, { wanted, setWanted, total: drift.total, matching: found.length }),
    pages.map((columns, page) => h(Page, { key: page, columns, base, look: drift.look.id, isFirst: beside.length === 0 && page === 0 })),
    !found.length && h(UI.Text, { color: "fg.muted" }, "No column matches."),
    h(More, { count, setCount, matching: found.length }),
  );
}

// The pictures' colours, told once.
function Legend() {
  const box = (color, words) => h(UI.HStack, { gap: 1 }, h(UI.Box, { w: "10px", h: "10px", flexShrink: 0, bg: color, "aria-hidden": true }), words);
  return h(UI.HStack, { columnGap: 4, rowGap: 0, flexWrap: "wrap", fontSize: "xs", color: "fg.muted" }, box("fg.subtle", "the rows of the reference"), box("border.info", "the rows of this look"), "as shares of the rows with a value");
}

function More({ count, setCount, matching }) {
  const button = (words, to) => h(UI.Button, { key: words, size: "xs", variant: "outline", onClick: () => setCount(to) }, words);
  if (matching <= FIRST) return null;
  return h(
    UI.HStack,
    { gap: 2 },
    count < matching && matching - count > PAGE && button(`Show ${PAGE} more`, count + PAGE),
    count < matching && button(`Show all ${plural(matching, "column")}`, matching),
    count > FIRST && button("Show fewer", FIRST),
  );
}

function Controls({ wanted, setWanted, total, matching }) {
  const select = (name, label, choices) =>
    h(
      UI.NativeSelect.Root,
      { size: "xs", width: "15rem", key: name },
      h(
        UI.NativeSelect.Field,
        { "aria-label": label, value: wanted[name], onChange: (event) => setWanted({ ...wanted, [name]: event.target.value }) },
        Object.entries(choices).map(([value, { words }]) => h("option", { key: value, value }, words)),
      ),
      h(UI.NativeSelect.Indicator),
    );
  return h(
    UI.HStack,
    { gap: 2, flexWrap: "wrap" },
    h(UI.Input, {
      size: "xs",
      width: "11rem",
      type: "search",
      "aria-label": "Columns whose name holds",
      placeholder: "Name of a column",
      value: wanted.text,
      onChange: (event) => setWanted({ ...wanted, text: event.target.value }),
    }),
    select("kind", "Kind of columns", KINDS),
    select("order", "Order of columns", ORDERS),
    h(UI.Text, { fontSize: "xs", color: "fg.muted", role: "status" }, matching === total ? plural(total, "column") : `${number(matching)} of ${plural(total, "column")}`),
  );
}

// Up to twelve columns, whose distributions are one question. Why there are none is the same for all, and said once.
function Page({ columns, base, look, isFirst }) {
  const names = columns.filter((each) => each.is !== "prediction").map((each) => `&columns=${encodeURIComponent(each.column)}`);
  const answer = useAnswer(`${base}/drift/distributions?look=${look}${names.join("")}`, { every: 3_600_000 });
  const drawn = new Map((answer.data?.columns ?? []).map((each) => [each.column, each]));
  const trouble = answer.error ?? (isFirst && answer.data?.trouble ? { message: answer.data.trouble, status: 404 } : null);
  return h(
    UI.Box,
    null,
    h(Trouble, { error: trouble }),
    h(
      UI.SimpleGrid,
      { as: "ul", listStyleType: "none", columns: { base: 1, md: 2, "2xl": 3 }, gapX: 6, gapY: 4 },
      columns.map((column) =>
        h(Column, { key: `${column.is ?? ""}:${column.column}`, column, drawn: column.is === "prediction" ? answer.data?.prediction : drawn.get(column.column) }),
      ),
    ),
  );
}

function Column({ column, drawn }) {
  const title = column.is === "prediction" ? "What the model answers" : column.is === "label" ? `${column.column} (what happened)` : column.column;
  return h(
    UI.Box,
    { as: "li", minW: 0 },
    h(
      UI.HStack,
      { justify: "space-between", gap: 2, align: "baseline" },
      h(UI.Text, { as: "h3", fontWeight: "semibold", fontSize: "sm", truncate: true, title }, title),
      h(UI.Badge, { size: "xs", flexShrink: 0, colorPalette: column.verdict === "drifted" ? "orange" : "gray", title: "By the threshold of the spec" }, verdictWords(column)),
    ),
    h(UI.Text, { fontSize: "xs", color: "fg.muted", title: column.method }, scoreWords(column)),
    h(UI.Text, { fontSize: "xs", color: "fg.muted" }, effectWords(column)),
    drawn && h(Bars, { mt: 1, label: `Distribution of ${title}`, bins: bins(drawn), height: 72 }),
    drawn && h(UI.Text, { fontSize: "xs", color: "fg.muted" }, besideWords(drawn)),
  );
}

function verdictWords(column) {
  if (column.score === null) return column.verdict;
  const words = column.verdict === "drifted" ? "beyond its threshold" : "within its threshold";
  return (column.verdict === "drifted") === column.exceeds_default ? words : `${words} (not so by Evidently's default)`;
}

function scoreWords(column) {
  if (column.score === null) return column.finding ? `${sentence(column.finding)}.` : sentence(column.method);
  const method = column.method.split(",")[0];
  return `${method} ${number(column.score)}, threshold ${number(column.threshold)}`;
}

function effectWords({ effect }) {
  if (!effect) return "";
  return `Effect ${number(effect.value, { digits: 2 })} (${number(effect.low, { digits: 2 })} to ${number(effect.high, { digits: 2 })}): ${effect.words}.`;
}

function bins(drawn) {
  const pair = (label, place) => ({ label, reference: drawn.reference[place], current: drawn.current[place] });
  if (drawn.kind === "number") {
    const isStep = drawn.edges.length > 1 && drawn.edges[1] - drawn.edges[0] === 1 && drawn.edges[0] % 1 !== 0;
    const label = (place) => (isStep ? number(drawn.edges[place] + 0.5) : `${number(drawn.edges[place])} to ${number(drawn.edges[place + 1])}`);
    return drawn.reference.map((_, place) => pair(label(place), place));
  }
  const values = drawn.values.map((value, place) => pair(value || "(empty)", place));
  const others = drawn.values.length;
  const hasOthers = Math.max(drawn.reference[others] ?? 0, drawn.current[others] ?? 0) > 1e-9;
  return hasOthers ? [...values, pair("all others", others)] : values;
}

// What the picture leaves out: rows without a value, and the far tails.
function besideWords(drawn) {
  const said = [];
  if (Math.max(...drawn.nulls) > 0) said.push(`without a value ${share(drawn.nulls[0])}, now ${share(drawn.nulls[1])}`);
  if (Math.max(...drawn.outside) > 1e-6) said.push(`beyond the picture ${share(drawn.outside[0])}, now ${share(drawn.outside[1])}`);
  return said.length ? `${sentence(said.join("; "))}.` : "";
}
