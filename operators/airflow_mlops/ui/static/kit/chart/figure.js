// The frame of every chart: measures its box, so that text keeps its size, and reads values out to mouse and keyboard.
import { h, UI, useEffect, useRef, useState } from "../host.js";

// A colour of the theme for SVG: token("fg.muted"), token("red.solid"). It follows light and dark by itself.
export const token = (name) => `var(--chakra-colors-${name.replaceAll(".", "-")})`;

const TIP_WIDTH = 220;

export function useWidth() {
  const ref = useRef(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

// `draw(width)` answers { content, stops, read }: SVG elements, the x of each place with something to read, in order,
// and read(index) -> { title, rows: [{ label, value, color }] }.
export function Figure({ label, height, draw, focusable = true, ...rest }) {
  const [ref, width] = useWidth();
  const [place, setPlace] = useState({ index: null, byKey: false });
  const drawing = width > 0 ? draw(width) : null;
  const stops = drawing?.stops ?? [];
  const index = place.index !== null && place.index < stops.length ? place.index : null;
  const reading = index === null ? null : drawing.read(index);
  const handlers = useReadingHandlers(ref, stops, index, setPlace);
  return h(
    UI.Box,
    { position: "relative", minW: 0, ...rest },
    h(
      UI.Box,
      {
        ref,
        role: "img",
        "aria-label": label,
        tabIndex: focusable && stops.length ? 0 : undefined,
        h: `${height}px`,
        borderRadius: "sm",
        _focusVisible: { outline: "2px solid", outlineColor: "border.info", outlineOffset: "4px" },
        ...handlers,
      },
      drawing &&
        h(
          "svg",
          { width, height, "aria-hidden": true, focusable: "false", style: { display: "block", overflow: "visible" } },
          drawing.content,
          index !== null && h(Cursor, { x: stops[index], height: drawing.bottom ?? height }),
        ),
    ),
    reading && h(Reading, { reading, x: stops[index], width }),
    focusable && h(UI.VisuallyHidden, { "aria-live": "polite" }, reading && place.byKey ? said(reading) : null),
  );
}

function useReadingHandlers(ref, stops, index, setPlace) {
  const last = stops.length - 1;
  const go = (next) => setPlace({ index: Math.min(Math.max(next, 0), last), byKey: true });
  const keys = {
    ArrowLeft: () => go((index ?? last + 1) - 1),
    ArrowRight: () => go((index ?? -1) + 1),
    Home: () => go(0),
    End: () => go(last),
    Escape: () => setPlace({ index: null, byKey: true }),
  };
  return {
    onPointerMove: (event) => {
      const x = event.clientX - ref.current.getBoundingClientRect().left;
      setPlace({ index: stops.length ? nearest(stops, x) : null, byKey: false });
    },
    onPointerLeave: () => setPlace({ index: null, byKey: false }),
    onFocus: (event) => event.target.matches(":focus-visible") && stops.length && go(last),
    onBlur: () => setPlace({ index: null, byKey: false }),
    onKeyDown: (event) => {
      if (!stops.length || !keys[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      keys[event.key]();
    },
  };
}

function nearest(stops, x) {
  const far = (each) => Math.abs(stops[each] - x);
  let best = 0;
  for (let each = 1; each < stops.length; each += 1) if (far(each) < far(best)) best = each;
  return best;
}

function Cursor({ x, height }) {
  return h("line", { x1: x, x2: x, y1: 0, y2: height, stroke: token("fg.muted"), pointerEvents: "none" });
}

function Reading({ reading, x, width }) {
  const isLeft = x > width / 2;
  const side = isLeft ? { right: `${Math.max(width - x + 8, 0)}px` } : { left: `${x + 8}px` };
  return h(
    UI.Box,
    {
      position: "absolute",
      top: 0,
      ...side,
      zIndex: "tooltip",
      pointerEvents: "none",
      bg: "bg.panel",
      color: "fg",
      borderWidth: "1px",
      borderRadius: "sm",
      boxShadow: "md",
      px: 2,
      py: 1,
      fontSize: "xs",
      w: "max-content",
      maxW: `${TIP_WIDTH}px`,
      "aria-hidden": true,
    },
    reading.title && h(UI.Text, { fontWeight: "semibold" }, reading.title),
    reading.rows.map((row, each) => h(ReadingRow, { key: each, ...row })),
  );
}

function ReadingRow({ label, value, color }) {
  const dot = { as: "span", display: "inline-block", w: "8px", h: "8px", mr: 1, borderRadius: "full" };
  const swatch = color && h(UI.Box, { ...dot, style: { background: color } });
  const hasValue = value !== undefined;
  return h(UI.Text, null, swatch, label, label && hasValue ? ": " : null, hasValue && h("b", null, value));
}

const said = ({ title, rows }) =>
  [title, ...rows.map(({ label, value = "" }) => `${label} ${value}`.trim())].join("; ");

// Text of a chart. A style, since Airflow's own rules for text are stronger than the attributes of SVG.
export function Words({ color = "fg.muted", children, ...rest }) {
  return h("text", { ...rest, fill: token(color), style: { fontSize: "11px" } }, children);
}

// The stretches without a gap (null).
export function runs(places) {
  const found = [[]];
  for (const place of places) {
    if (place !== null) found.at(-1).push(place);
    else if (found.at(-1).length) found.push([]);
  }
  return found.filter((run) => run.length);
}

// A line with gaps where a value is missing; a value alone between gaps becomes a dot.
export function Curve({ places, color, width = 1.5, dash }) {
  const line = { fill: "none", stroke: color, strokeWidth: width, strokeLinejoin: "round", strokeLinecap: "round" };
  const through = (run) => run.map((place) => place.map(round).join(",")).join(" ");
  return runs(places).map((run, each) =>
    run.length === 1
      ? h("circle", { key: each, cx: run[0][0], cy: run[0][1], r: width, fill: color })
      : h("polyline", { key: each, ...line, strokeDasharray: dash, points: through(run) }),
  );
}

const round = (pixels) => Math.round(pixels * 10) / 10;
