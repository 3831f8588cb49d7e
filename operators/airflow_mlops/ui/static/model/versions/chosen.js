// One version: what it is made of, how the gate judged it, who let it through, when it served, and where more of it is.
import { duration, member, moment, number, plural, sentence, span, version } from "../../kit/format.js";
import { h, RouterLink, UI } from "../../kit/host.js";
import { GateEvidence } from "./evidence.js";

export function Chosen({ version: record, run, reports, mlflow, root }) {
  const { row } = record;
  const name = row.version ? version(row.version) : `Challenger of ${moment(row.at, { year: true })}`;
  return h(
    UI.Stack,
    { gap: 4, as: "section", "aria-label": name, borderTopWidth: "1px", pt: 4 },
    h(
      UI.HStack,
      { gap: 4, align: "baseline", flexWrap: "wrap" },
      h(UI.Heading, { as: "h3", size: "sm" }, name),
      h(Links, { run, reports, mlflow, root }),
    ),
    h(Facts, { record }),
    record.members.length > 0 && h(Members, { record }),
    record.evidence
      ? h(GateEvidence, { evidence: record.evidence })
      : h(UI.Text, { color: "fg.muted" }, "It was not judged by the gate: it was adopted, or its evaluation is not on record."),
  );
}

// Reports and MLflow open beside Airflow: a report runs in an origin of its own, and can do nothing as the user.
function Links({ run, reports, mlflow, root }) {
  const outside = [
    ...reports.map(({ name, href }) => ({ name, href: `${root}${href}` })),
    mlflow.version && { name: "Version in MLflow", href: mlflow.version },
    mlflow.run && { name: "Run in MLflow", href: mlflow.run },
  ].filter(Boolean);
  return h(
    UI.HStack,
    { as: "ul", gap: 4, flexWrap: "wrap", listStyleType: "none", fontSize: "sm" },
    outside.map(({ name, href }) =>
      h(
        UI.Box,
        { as: "li", key: href },
        h(UI.Link, { href, target: "_blank", rel: "noopener noreferrer", color: "fg.info" }, `${name} ↗`),
      ),
    ),
    run &&
      h(
        UI.Box,
        { as: "li" },
        h(
          UI.Link,
          { asChild: true, color: "fg.info" },
          h(RouterLink, { to: `/dags/${run.dag_id}/runs/${encodeURIComponent(run.run_id)}` }, "Airflow run"),
        ),
      ),
  );
}

function Facts({ record }) {
  const facts = [
    ["Trained on", trainedOn(record)],
    ["Held out for the gate", heldOut(record)],
    ["Estimator", estimator(record)],
    ["Columns", record.features.length > 0 && `${record.features.length}: ${record.features.join(", ")}`],
    ["Correction of its answers", corrected(record.correction)],
    ["Approval", approved(record.approval)],
    ["Served", served(record.service)],
    ["Frozen", record.frozen_by && `by ${record.frozen_by}: ${record.frozen_reason}`],
  ].filter(([, text]) => text);
  return h(
    UI.Box,
    { as: "dl", display: "grid", gridTemplateColumns: { base: "1fr", md: "12rem 1fr" }, columnGap: 4, rowGap: 1 },
    facts.flatMap(([term, text]) => [
      h(UI.Text, { as: "dt", key: `${term}?`, color: "fg.muted", fontSize: "sm" }, term),
      h(UI.Box, { as: "dd", key: term, mb: { base: 2, md: 0 }, minW: 0, overflowWrap: "anywhere" }, text),
    ]),
  );
}

function trainedOn({ row, data, training_s: seconds }) {
  const rows = data.filter((each) => each.part === "rows");
  if (row.rows === null) return null;
  const window = row.window ? `, window '${row.window}'` : "";
  const stretch = rows.length > 0 ? ` of ${span(rows[0].start, rows.at(-1).end)}` : "";
  const snapshots = rows.length > 0 ? `; snapshot${rows.length === 1 ? "" : "s"} ${rows.map((each) => each.snapshot).join(", ")}` : "";
  const took = seconds === null ? "" : `; the fit took ${duration(seconds)}`;
  return `${plural(row.rows, "row")}${stretch}${window}${snapshots}${took}`;
}

function heldOut({ holdout_rows: rows, holdout_start: start }) {
  return rows === null ? null : `${plural(rows, "row")} from ${moment(start, { year: true })} on`;
}

function estimator({ row, serialization }) {
  if (!row.estimator) return null;
  return `${row.estimator}${serialization ? `, stored by ${serialization}` : ""}`;
}

const corrected = (value) =>
  value === null || value === 0 ? null : [value].flat().map((each) => number(each, { signed: true })).join(", ");

function approved(approval) {
  if (!approval) return null;
  const by = approval.by.length > 0 ? ` by ${approval.by.join(", ")}` : "";
  return `${sentence(approval.answer)}${by} at ${moment(approval.at, { year: true })}: ${approval.reason}`;
}

function served(service) {
  if (service.length === 0) return "Never.";
  return h(
    UI.Box,
    { as: "ul", listStyleType: "none" },
    service.map((each) =>
      h(
        UI.Box,
        { as: "li", key: each.epoch },
        each.until ? span(each.since, each.until) : `since ${moment(each.since, { year: true })}`,
        h(UI.Text, { as: "span", color: "fg.muted" }, `, epoch ${each.epoch}: ${why(each)}`),
      ),
    ),
  );
}

function why({ cause, reason, by }) {
  return [cause, by && `by ${by}`, reason].filter(Boolean).join(", ") || "no reason on record";
}

function Members({ record }) {
  return h(
    UI.Box,
    null,
    h(UI.Heading, { as: "h4", size: "xs", mb: 1 }, "Made of"),
    h(
      UI.Box,
      { as: "ul", ps: 5, listStyleType: "disc" },
      record.members.map((each) =>
        h(
          UI.Box,
          { as: "li", key: each.model_id },
          member(each),
        ),
      ),
    ),
  );
}
