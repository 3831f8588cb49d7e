// The picture of a model's page: quality over time with what served, what was done and what went wrong; drift below.
import { useAnswer } from "../kit/api.js";
import { Card } from "../kit/card.js";
import { moment, plural, span, when } from "../kit/format.js";
import { Fragment, h, UI, useRef, useState } from "../kit/host.js";
import { Answered, Empty } from "../kit/states.js";
import { usePlaces } from "./place.js";
import { Charts } from "./timeline/charts.js";
import { Choice } from "./timeline/choice.js";
import { Incidents } from "./timeline/incidents.js";
import { Tables } from "./timeline/tables.js";

const MONTHS = 91 * 86_400_000;
// A range that a link, or an incident, has chosen.
const OWN = "own";
const RANGES = { recent: "Last 20 looks", months: "3 months", all: "All" };

export function Timeline({ base }) {
  const [places, choose] = usePlaces(["range", "from", "to"]);
  const [asTable, setAsTable] = useState(false);
  // What was shown last stands while another range is asked for.
  const shown = useRef(null);
  const { name: range, start, end } = chosenRange(places, shown.current);
  const answer = useAnswer(`${base}/timeline?${asked(start, end)}`);
  if (answer.data) shown.current = answer.data;
  const data = answer.data ?? shown.current;
  const controls = data && (data.first || range !== "all")
    ? h(
        UI.HStack,
        { gap: 4, flexWrap: "wrap" },
        h(Choice, { label: "Range", options: ranges(data, { ...places, range }), value: range, onChange: (name) => choose({ range: name === "all" ? null : name, from: null, to: null }) }),
        h(UI.Button, { size: "xs", variant: "ghost", "aria-pressed": asTable, onClick: () => setAsTable(!asTable) }, asTable ? "Show as chart" : "Show as table"),
      )
    : null;
  return h(
    Card,
    { title: "Timeline", aside: controls },
    h(Answered, { answer: { ...answer, data }, label: "Loading the timeline" }, (course) =>
      course.first || course.marks.length || course.incidents.length
        ? h(Course, { course, from: start, to: end, asTable, choose })
        : h(Empty, { title: "Nothing was looked at yet." }, "The monitor DAG measures quality and drift; its first look draws the first point."),
    ),
  );
}

// Where a range begins; "all" has no beginning of its own.
const starts = ({ recent, last }) => ({
  recent,
  months: last && new Date(when(last) - MONTHS).toISOString(),
  all: null,
});

// Of the address: a range by name, or from one moment to another. What is neither is passed over.
function chosenRange({ range, from, to }, known) {
  const [start, end] = [from, to].map((at) => (when(at) === null ? null : new Date(when(at)).toISOString()));
  if (start || end) return { name: OWN, start, end };
  const name = range in RANGES ? range : "all";
  return { name, start: known && starts(known)[name], end: null };
}

const asked = (start, end) => new URLSearchParams({ ...(start && { start }), ...(end && { end }) });

// Only ranges that show less than all of it; the chosen one stays.
function ranges(course, { range: chosen, from, to }) {
  const first = when(course.first);
  const begins = starts(course);
  const named = Object.entries(RANGES).filter(([name]) => name === "all" || name === chosen || when(begins[name]) > first);
  return chosen === OWN ? [[OWN, ownWords(from, to)], ...named] : named;
}

function ownWords(from, to) {
  if (from && to) return span(from, to);
  return from ? `From ${moment(from, { year: true })}` : `Until ${moment(to, { year: true })}`;
}

function Course({ course, from, to, asTable, choose }) {
  return h(
    UI.Stack,
    { gap: 4 },
    asTable ? h(Tables, { course }) : h(Charts, { course, from, to }),
    h(Notes, { course }),
    h(Incidents, { incidents: course.incidents, last: course.last, choose }),
  );
}

// What the curves do not show is said, so that nobody takes a part for the whole.
function Notes({ course }) {
  const notes = [
    course.shown < course.looks && `Drawn from ${course.shown} of ${plural(course.looks, "look")}: choose a shorter range to see each of them.`,
    course.told_from && `Incidents are told from ${moment(course.told_from, { year: true })} on.`,
    course.other_metrics.length && `Windows measured by ${course.other_metrics.join(", ")} are left out.`,
  ].filter(Boolean);
  if (!notes.length) return null;
  return h(UI.Text, { fontSize: "xs", color: "fg.muted" }, notes.map((note) => h(Fragment, { key: note }, note, " ")));
}
