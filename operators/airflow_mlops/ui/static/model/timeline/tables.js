// The same as tables: for screen readers, for copying, and for whoever wants the numbers.
import { capital, moment, number, sentence, share, span, version } from "../../kit/format.js";
import { h, UI } from "../../kit/host.js";
import { interval, markName, metricName } from "./words.js";

export function Tables({ course }) {
  return h(
    UI.Stack,
    { gap: 4 },
    h(Rows, {
      title: course.metric ? metricName(course.metric) : "Quality",
      heads: ["Window", "Loss", "95 % interval", "Limit", "Labels", "Answered by"],
      rows: course.quality.toReversed().map((window) => [
        span(window.start, window.end),
        number(window.value),
        interval(window),
        number(window.limit),
        `${number(window.labelled)} of ${number(window.rows)} (${share(window.maturity)})`,
        window.versions.map((each) => `${version(each.version)} ${number(each.loss)} on ${number(each.rows)}`).join(", "),
      ]),
    }),
    h(Rows, { title: "Columns that moved, by their importance", ...readings(course.drift, share) }),
    h(Rows, { title: "How far the answers moved", ...readings(course.answers, number) }),
    h(Rows, {
      title: "What served",
      heads: ["Version", "From", "To", "Because"],
      rows: course.versions.toReversed().map((stretch) => [
        version(stretch.version),
        moment(stretch.since, { year: true }),
        stretch.until ? moment(stretch.until, { year: true }) : "now",
        `${stretch.is_back ? `Rolled back by ${stretch.by}: ` : ""}${stretch.reason ?? sentence(stretch.cause)}`,
      ]),
    }),
    h(Rows, {
      title: "What was done",
      heads: ["Model's time", "What", "In words"],
      rows: course.marks.toReversed().map((mark) => [moment(mark.at, { year: true }), markName(mark), capital(mark.sentence)]),
    }),
  );
}

const readings = (found, format) => ({
  heads: ["Look", "Value", "95 % interval", "Limit", "Verdict"],
  rows: found.toReversed().map((reading) => [moment(reading.at, { year: true }), format(reading.value), interval(reading, format), format(reading.limit), reading.detail]),
});

function Rows({ title, heads, rows }) {
  if (!rows.length) return null;
  return h(
    UI.Box,
    { maxH: "320px", overflow: "auto", tabIndex: 0, role: "region", "aria-label": title, borderWidth: "1px", borderRadius: "sm" },
    h(
      UI.Table.Root,
      { size: "sm", stickyHeader: true },
      h("caption", { style: { textAlign: "left", padding: "6px 12px" } }, title),
      h(UI.Table.Header, null, h(UI.Table.Row, null, heads.map((head) => h(UI.Table.ColumnHeader, { key: head, scope: "col" }, head)))),
      h(
        UI.Table.Body,
        null,
        rows.map((cells, row) => h(UI.Table.Row, { key: row }, cells.map((cell, column) => h(UI.Table.Cell, { key: column, verticalAlign: "top" }, cell)))),
      ),
    ),
  );
}
