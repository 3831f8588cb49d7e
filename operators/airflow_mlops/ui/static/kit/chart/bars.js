// Two histograms on one axis: the reference broad and grey, the current one narrow and coloured in front of it.
import { h, Fragment, UI } from "../host.js";
import { isNumber, share as written } from "../format.js";
import { Figure, token, Words } from "./figure.js";
import { extent, linear } from "./scale.js";

const NAMES = ["reference", "current"];
const REFERENCE = "fg.subtle";
const PALE = 0.6;
const AXIS = 16;
const GAP = 2;
const LETTER = 6;

export function Bars({ label, bins, names = NAMES, color = "border.info", format = written, height = 64, ...rest }) {
  if (!bins.length) return h(UI.Text, { color: "fg.muted", fontSize: "sm" }, "No distribution was stored.");
  const draw = (width) => drawing(bins, { names, color, format, height, width });
  return h(Figure, { label: named(label, bins, names, format), height, draw, ...rest });
}

function named(label, bins, names, format) {
  const highest = (key) => bins.reduce((best, bin) => ((bin[key] ?? -1) > (best[key] ?? -1) ? bin : best), bins[0]);
  const said = ["reference", "current"].map((key, each) => {
    const bin = highest(key);
    return isNumber(bin[key]) ? `${names[each]} most at ${bin.label} with ${format(bin[key])}` : null;
  });
  const range = `${bins.length} bins from ${bins[0].label} to ${bins.at(-1).label}`;
  return [`${label}: ${range}`, ...said.filter(Boolean)].join(", ");
}

function drawing(bins, { names, color, format, height, width }) {
  const bottom = height - AXIS;
  const step = width / bins.length;
  const [, most] = extent(bins.flatMap((bin) => [bin.reference, bin.current])) ?? [0, 1];
  const y = linear([0, most || 1], [bottom, 2]);
  const bar = (value, part, each, fill) => {
    const place = { x: each * step + (step * (1 - part)) / 2, width: Math.max(step * part, 1) };
    const paint = { fill: token(fill), fillOpacity: fill === REFERENCE ? PALE : 1 };
    return isNumber(value) && h("rect", { ...place, ...paint, y: y(value), height: bottom - y(value) });
  };
  const content = h(
    Fragment,
    null,
    bins.map((bin, each) =>
      h(
        Fragment,
        { key: each },
        bar(bin.reference, 1 - GAP / Math.max(step, GAP * 2), each, REFERENCE),
        bar(bin.current, 0.5, each, color),
      ),
    ),
    h("line", { x1: 0, x2: width, y1: bottom, y2: bottom, stroke: token("border.emphasized") }),
    binLabels(bins, step, height - 3, width),
  );
  const read = (index) => ({
    title: bins[index].label,
    rows: [
      { label: names[0], value: format(bins[index].reference), color: token(REFERENCE) },
      { label: names[1], value: format(bins[index].current), color: token(color) },
    ].filter((row, each) => isNumber(bins[index][each ? "current" : "reference"])),
  });
  return { content, bottom, stops: bins.map((_, each) => (each + 0.5) * step), read };
}

// Every label where they fit; else the first and the last, which give the range.
function binLabels(bins, step, y, width) {
  const fits = bins.every((bin) => String(bin.label).length * LETTER + 4 <= step);
  if (fits) {
    const place = (each) => ({ key: `l${each}`, y, x: (each + 0.5) * step, textAnchor: "middle" });
    return bins.map((bin, each) => h(Words, place(each), bin.label));
  }
  const room = Math.max(Math.floor(width / 2 / LETTER) - 1, 3);
  return [
    h(Words, { key: "first", y, x: 0 }, short(bins[0].label, room)),
    bins.length > 1 && h(Words, { key: "last", y, x: width, textAnchor: "end" }, short(bins.at(-1).label, room)),
  ];
}

const short = (text, room) => (String(text).length > room ? `${String(text).slice(0, room - 1)}…` : String(text));
