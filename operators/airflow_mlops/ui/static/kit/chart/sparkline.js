// A curve as small as a word. Its numbers are in its name, and under the mouse.
import { h, Fragment } from "../host.js";
import { dated, isNumber, number, plural, when } from "../format.js";
import { Curve, Figure, token } from "./figure.js";
import { extent, linear, padded } from "./scale.js";

const INSET = 3;

export function Sparkline({ label, points, limit = null, marks = [], format = number, height = 28, ...rest }) {
  const values = points.filter((point) => isNumber(point.value));
  if (!values.length) return null;
  const draw = (width) => drawing(points, { limit, marks, format, height, width });
  return h(Figure, { label: named({ label, values, limit, marks, format }), height, draw, focusable: false, ...rest });
}

function named({ label, values, limit, marks, format }) {
  const [low, high] = extent(values.map((point) => point.value));
  const said = [`${label}: last ${format(values.at(-1).value)}`, `between ${format(low)} and ${format(high)}`];
  if (isNumber(limit)) said.push(`limit ${format(limit)}`);
  said.push(`from ${dated(values[0].at)} to ${dated(values.at(-1).at)}`);
  if (marks.length) said.push(plural(marks.length, "retrain"));
  return said.join(", ");
}

function drawing(points, { limit, marks, format, height, width }) {
  const times = points.map((point) => when(point.at));
  const x = linear(extent(times), [INSET, width - INSET]);
  const y = linear(padded(extent([...points.map((point) => point.value), limit])), [height - INSET, INSET]);
  const stops = times.map((at) => x(at));
  const places = points.map((point, each) => (isNumber(point.value) ? [stops[each], y(point.value)] : null));
  const shown = marks.filter((mark) => when(mark.at) >= times[0] && when(mark.at) <= times.at(-1));
  const last = places.findLast(Boolean);
  const content = h(
    Fragment,
    null,
    isNumber(limit) && h("line", { x1: 0, x2: width, y1: y(limit), y2: y(limit), ...dashed }),
    shown.map((mark, each) => h("line", { key: each, ...upright(x(when(mark.at)), height) })),
    h(Curve, { places, color: "currentColor" }),
    h("circle", { cx: last[0], cy: last[1], r: 2.5, fill: "currentColor" }),
  );
  const near = (index) => shown.filter((mark) => Math.abs(x(when(mark.at)) - stops[index]) < 2);
  const read = (index) => ({
    title: dated(points[index].at),
    rows: [
      { label: "", value: format(points[index].value) },
      ...near(index).map((mark) => ({ label: mark.label ?? "Retrained" })),
    ],
  });
  return { content, stops, read };
}

const dashed = { stroke: token("fg.muted"), strokeDasharray: "3 3" };

const upright = (x, height) => ({ x1: x, x2: x, y1: 0, y2: height, stroke: token("border.info"), strokeWidth: 1.5 });
