// Curves over the model's time, with their limit, what happened (marks), what lasted (bands), what served (versions).
import { h, Fragment, UI } from "../host.js";
import { isNumber, moment, number, plural, span, when } from "../format.js";
import { Curve, Figure, runs, token, Words } from "./figure.js";
import { extent, linear, padded, timeTicks, valueTicks } from "./scale.js";

const LETTER = 6.2;
const STRIP = 20;
const AXIS = 18;
const TOP = 16;
const NEAR = 4;
const COLOURS = ["border.info", "border.warning", "purple.fg", "teal.fg", "fg.muted"];
const DASHES = [undefined, "6 3", "2 3", "8 3 2 3", "1 4"];

export function LineChart({ label, series, bands = [], marks = [], versions = [], height = 220, ...props }) {
  const { limit = null, from, to, range, left = 0, format = number, unit = "", ...rest } = props;
  const chart = {
    series: series.map((each, index) => ({ ...each, points: timed(each.points), ...look(each, index) })),
    limits: (Array.isArray(limit) ? limit : [limit]).filter((each) => isNumber(each?.value)),
    bands: lasting(bands),
    marks: timed(marks),
    versions: lasting(versions),
    format: (value) => format(value) + (unit && isNumber(value) ? ` ${unit}` : ""),
    tick: format,
    unit,
    left,
    height,
  };
  const times = [from, to].map(when);
  const measured = chart.series.flatMap(({ points }) => points.map(({ at }) => at));
  const seen = extent([...times, ...measured]);
  if (!seen) return h(UI.Text, { color: "fg.muted", fontSize: "sm", py: 4 }, "Nothing was measured yet.");
  chart.domain = [times[0] ?? seen[0], times[1] ?? seen[1]];
  chart.range = range ?? padded(extent(readValues(chart)) ?? [0, 1]);
  return h(
    UI.Box,
    { minW: 0, ...rest },
    chart.series.length > 1 && h(Legend, { series: chart.series }),
    h(Figure, { label: named(label, chart), height, draw: (width) => drawing(chart, width) }),
  );
}

const timed = (points) =>
  points.map((point) => ({ ...point, at: when(point.at) })).filter((point) => point.at !== null);

const lasting = (bands) => bands.map((band) => ({ ...band, from: when(band.from), to: when(band.to) }));

const look = ({ color, dashed }, index) => ({
  stroke: token(color ?? COLOURS[index % COLOURS.length]),
  dash: dashed ? DASHES[1] : DASHES[index % DASHES.length],
});

const readValues = ({ series, limits }) => [
  ...limits.map((limit) => limit.value),
  ...series.flatMap(({ points }) => points.flatMap(({ value, low, high }) => [value, low, high])),
];

function named(label, { series, limits, bands, marks, versions, domain, format, tick }) {
  const curves = series.map(({ name, points }) => {
    const values = points.map(({ value }) => value).filter(isNumber);
    if (!values.length) return `${name ?? "curve"} without a value`;
    const [low, high] = extent(values);
    return `${name ? `${name} ` : ""}last ${format(values.at(-1))}, between ${tick(low)} and ${format(high)}`;
  });
  const named = limits.map(({ value, label: name }) => `${name ?? "limit"} ${format(value)}`);
  const said = [`${label}, ${span(...domain)}`, ...curves, ...named];
  if (versions.length) said.push(plural(versions.length, "version"));
  if (marks.length) said.push(plural(marks.length, "event"));
  said.push(...bands.map((band) => `${band.label} from ${moment(band.from, { year: true })}`));
  return said.join("; ");
}

function Legend({ series }) {
  const line = { x1: 0, x2: 20, y1: 4, y2: 4, strokeWidth: 2 };
  const swatch = ({ stroke, dash }) =>
    h("svg", { width: 20, height: 8, "aria-hidden": true }, h("line", { ...line, stroke, strokeDasharray: dash }));
  return h(
    UI.HStack,
    { gap: 4, flexWrap: "wrap", mb: 2, fontSize: "xs", color: "fg.muted" },
    series.map((each, index) => h(UI.HStack, { key: index, gap: 1 }, swatch(each), each.name)),
  );
}

function drawing(chart, width) {
  const { domain, range, height, versions, series, marks } = chart;
  const bottom = height - AXIS - (versions.length ? STRIP : 0);
  const ticks = valueTicks(range, Math.max(Math.floor((bottom - TOP) / 28), 3));
  const widest = Math.max(...ticks.map((tick) => chart.tick(tick).length), 2);
  const left = Math.max(chart.left, Math.ceil(widest * LETTER) + 8);
  const plot = { left, right: width - 6, top: TOP, bottom, width };
  plot.x = linear(domain, [plot.left, plot.right]);
  plot.y = linear(range, [bottom, TOP]);
  const inside = (at) => at >= domain[0] && at <= domain[1];
  const times = [...new Set([...series.flatMap(({ points }) => points), ...marks].map(({ at }) => at))].filter(inside);
  times.sort((one, other) => one - other);
  const content = h(
    Fragment,
    null,
    h(Grid, { chart, plot, ticks }),
    h(Bands, { bands: chart.bands, plot, domain }),
    h(Limits, { limits: chart.limits, plot, format: chart.format }),
    h(Marks, { marks: marks.filter(({ at }) => inside(at)), plot }),
    series.map((each, index) => h(Series, { key: index, series: each, plot, inside })),
    versions.length > 0 && h(Strip, { versions, plot, domain, y: bottom + 2 }),
  );
  return { content, bottom, stops: times.map(plot.x), read: (index) => reading(chart, plot, times[index]) };
}

function Grid({ chart, plot, ticks }) {
  const moments = timeTicks(chart.domain, (plot.right - plot.left) / 90);
  return h(
    Fragment,
    null,
    chart.unit && h(Words, { x: 0, y: 10 }, chart.unit),
    ticks.map((tick) =>
      h(
        Fragment,
        { key: `v${tick}` },
        h("line", { x1: plot.left, x2: plot.right, y1: plot.y(tick), y2: plot.y(tick), stroke: token("border") }),
        h(Words, { x: plot.left - 6, y: plot.y(tick) + 4, textAnchor: "end" }, chart.tick(tick)),
      ),
    ),
    moments.map(({ at, label }) => {
      const x = plot.x(at);
      return h(Words, { key: at, x, y: chart.height - 4, textAnchor: anchor(x, label, plot) }, label);
    }),
  );
}

function anchor(x, label, { left, width }) {
  const half = (label.length * LETTER) / 2;
  if (x + half > width) return "end";
  return x - half < left ? "start" : "middle";
}

function Bands({ bands, plot, domain }) {
  const tall = { y: plot.top, height: plot.bottom - plot.top };
  // Where the words of each line end: those of bands that overlap stand below each other.
  const ends = [];
  const words = bands.map((band, each) => {
    const [start, end] = cut(band, domain, plot);
    const length = (band.label?.length ?? 0) * LETTER + 8;
    if (!band.label || length >= end - start) return null;
    const line = [...ends, 0].findIndex((taken) => taken <= start);
    ends[line] = start + length;
    return h(Words, { key: each, x: start + 4, y: plot.top + 12 + line * 14, color: "fg" }, band.label);
  });
  // Shaded as a whole: of bands that overlap each would darken the others until no curve or word is read on them.
  const shades = bands.map((band, each) => {
    const [start, end] = cut(band, domain, plot);
    if (end < start) return null;
    return h("rect", { key: each, x: start, width: Math.max(end - start, 2), ...tall, fill: token(band.color ?? "orange.solid") });
  });
  return h(Fragment, null, h("g", { opacity: 0.18 }, shades), words);
}

// What still lasts (no `to`) reaches to the end of the chart.
const cut = ({ from, to }, [first, last], { x }) => [x(Math.max(from ?? first, first)), x(Math.min(to ?? last, last))];

function Limits({ limits, plot, format }) {
  return limits.map(({ value, label, color = "fg.muted" }, each) => {
    const y = plot.y(value);
    const words = `${label ?? "limit"} ${format(value)}`;
    return h(
      Fragment,
      { key: each },
      h("line", { x1: plot.left, x2: plot.right, y1: y, y2: y, stroke: token(color), strokeDasharray: "4 3" }),
      h(Words, { x: plot.right, y: y - 4, textAnchor: "end" }, words),
    );
  });
}

// Labels only where they do not run into the next one: the others are read out at their place.
function Marks({ marks, plot }) {
  return marks.map((mark, each) => {
    const at = plot.x(mark.at);
    const next = marks[each + 1] ? plot.x(marks[each + 1].at) : plot.right;
    const stroke = token(mark.color ?? "border.info");
    const fits = mark.label && mark.label.length * LETTER + 4 < next - at;
    return h(
      Fragment,
      { key: each },
      h("line", { x1: at, x2: at, y1: plot.top - 4, y2: plot.bottom, stroke, strokeWidth: 1.5, strokeOpacity: 0.8 }),
      fits && h(Words, { x: at + 3, y: 10 }, mark.label),
    );
  });
}

function Series({ series, plot, inside }) {
  const points = series.points.filter(({ at }) => inside(at));
  const places = points.map((point) => (isNumber(point.value) ? [plot.x(point.at), plot.y(point.value)] : null));
  const held = runs(points.map((point) => (isNumber(point.low) && isNumber(point.high) ? point : null)));
  return h(
    Fragment,
    null,
    held.map((run, each) =>
      h("polygon", { key: each, points: ribbon(run, plot), fill: series.stroke, fillOpacity: 0.15 }),
    ),
    h(Curve, { places, color: series.stroke, width: 2, dash: series.dash }),
  );
}

function ribbon(run, { x, y }) {
  const edge = [...run.map(({ at, high }) => [at, high]), ...run.toReversed().map(({ at, low }) => [at, low])];
  return edge.map(([at, value]) => `${x(at)},${y(value)}`).join(" ");
}

function Strip({ versions, plot, domain, y }) {
  return versions.map((version, each) => {
    const [start, end] = cut(version, domain, plot);
    if (end <= start) return null;
    const palette = version.color ?? (each % 2 ? "gray" : "blue");
    const width = Math.max(end - start - 1, 1);
    const fits = String(version.label).length * LETTER + 6 < width;
    return h(
      Fragment,
      { key: each },
      h("rect", { x: start, y, width, height: STRIP - 4, rx: 2, fill: token(`${palette}.muted`) }),
      fits && h(Words, { x: start + 4, y: y + 12, color: "fg" }, version.label),
    );
  });
}

function reading({ series, marks, bands, versions, format, tick }, plot, at) {
  const rows = series.flatMap(({ name = "", points, stroke }) =>
    points
      .filter((point) => point.at === at)
      .map((point) => ({ label: name, value: worded(point, format, tick), color: stroke })),
  );
  const lasts = ({ from, to }) => (from === null || from <= at) && (to === null || at < to);
  for (const version of versions.filter(lasts)) rows.push({ label: `${version.label} serves` });
  for (const band of bands.filter(lasts)) rows.push({ label: band.label });
  const near = marks.filter((mark) => Math.abs(plot.x(mark.at) - plot.x(at)) <= NEAR);
  for (const mark of near) rows.push({ label: mark.label });
  return { title: moment(at, { year: true }), rows };
}

function worded({ value, low, high, note }, format, tick) {
  const interval = isNumber(low) && isNumber(high) ? ` [${tick(low)}, ${tick(high)}]` : "";
  return `${format(value)}${interval}${note ? ` (${note})` : ""}`;
}
