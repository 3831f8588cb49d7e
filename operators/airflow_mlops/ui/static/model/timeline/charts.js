// Quality with its interval and limit over the versions that served; below it what moved.
import { LineChart } from "../../kit/charts.js";
import { isNumber, number, share, version, when } from "../../kit/format.js";
import { h, UI, useState } from "../../kit/host.js";
import { Choice } from "./choice.js";
import { incidentColour, incidentName, MARK_COLOURS, markName, metricName, windowNote } from "./words.js";

const DRIFTS = {
  drift: { words: "Columns", title: "Columns that moved more than chance and the usual explain, by their importance", format: share, range: [0, 1] },
  answers: { words: "Answers", title: "How far the answers moved", format: number },
};
// A limit this far above the curve would press it flat; it is said in the reading of each window.
const FAR = 1.6;
// Room for the numbers of both charts, so that a moment stands at one place in both.
const LEFT = 48;

export function Charts({ course, from, to }) {
  const [drift, setDrift] = useState("drift");
  const extent = domain(course, from, to);
  const chosen = DRIFTS[drift];
  return h(
    UI.Stack,
    { gap: 5 },
    h(
      UI.Box,
      { minW: 0 },
      h(Title, null, course.metric ? metricName(course.metric) : "Quality"),
      h(Quality, { course, extent }),
    ),
    h(
      UI.Box,
      { minW: 0 },
      h(
        UI.HStack,
        { justify: "space-between", flexWrap: "wrap" },
        h(Title, null, chosen.title),
        h(Choice, { label: "What moved", options: Object.entries(DRIFTS).map(([name, { words }]) => [name, words]), value: drift, onChange: setDrift }),
      ),
      h(Drift, { readings: course[drift], extent, ...chosen }),
    ),
  );
}

const Title = ({ children }) => h(UI.Heading, { as: "h3", size: "xs", fontWeight: "medium", mb: 1 }, children);

function Quality({ course, extent }) {
  const measured = course.quality.map((window) => ({ at: window.end, value: window.value, low: window.low, high: window.high, note: windowNote(window) }));
  const expected = course.expected.filter(({ end }) => end).map(({ end, value }) => ({ at: end, value }));
  const series = [{ name: "Measured on labels", points: measured }];
  if (expected.length) series.push({ name: "Expected before labels are known", points: expected, color: "fg.muted", dashed: true });
  return h(LineChart, {
    label: course.metric ? metricName(course.metric) : "Quality",
    series,
    limit: nearLimit(course.quality),
    bands: course.incidents.filter(lasts).map((incident) => ({ from: incident.start, to: incident.end, label: incidentName(incident), color: incidentColour(incident) })),
    marks: marks(course),
    versions: course.versions.map((stretch) => ({ from: stretch.since, to: stretch.until, label: version(stretch.version) + (stretch.is_back ? " ↩" : ""), ...(stretch.is_back ? { color: "red" } : {}) })),
    height: 260,
    left: LEFT,
    ...extent,
  });
}

const lasts = ({ start, end }) => start !== end;

// What lasted no longer than the look that noticed it stands as a mark: a band would have no width.
const marks = (course) =>
  [
    ...course.marks.map((mark) => ({ at: mark.at, label: markName(mark), color: MARK_COLOURS[mark.kind] ?? "gray.solid" })),
    ...course.incidents.filter((incident) => !lasts(incident)).map((incident) => ({ at: incident.start, label: incidentName(incident), color: incidentColour(incident) })),
  ].sort((one, other) => when(one.at) - when(other.at));

function nearLimit(windows) {
  const limit = windows.findLast((window) => isNumber(window.limit))?.limit;
  const most = Math.max(...windows.map((window) => window.value));
  return isNumber(limit) && limit < most * FAR ? { value: limit, label: "limit now" } : null;
}

function Drift({ readings, extent, title, format, range }) {
  const limit = readings.findLast((reading) => isNumber(reading.limit))?.limit;
  const points = readings.map((reading) => ({ at: reading.at, value: reading.value, low: reading.low, high: reading.high, note: `${reading.verdict}: ${reading.detail}` }));
  return h(LineChart, {
    label: title,
    series: [{ points }],
    limit: isNumber(limit) ? { value: limit, label: "limit" } : null,
    format,
    range,
    height: 140,
    left: LEFT,
    ...extent,
  });
}

// Both charts have one axis of time: from the first thing that is shown to the last.
function domain({ quality, drift, marks, versions, incidents }, from, to) {
  const times = [
    ...quality.map((window) => window.end),
    ...drift.map((reading) => reading.at),
    ...marks.map((mark) => mark.at),
    ...incidents.flatMap((incident) => [incident.noticed, incident.end]),
    ...(from ? [] : versions.map((stretch) => stretch.since)),
  ].map(when).filter((at) => at !== null);
  const [first, last] = [from ? when(from) : Math.min(...times), to ? when(to) : Math.max(...times)];
  return first < last && Number.isFinite(last - first) ? { from: first, to: last } : {};
}
