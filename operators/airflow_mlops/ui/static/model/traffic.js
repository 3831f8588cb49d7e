// How much is predicted, how fast the server answers, and which versions share the requests.
import { useAnswer } from "../kit/api.js";
import { Card } from "../kit/card.js";
import { LineChart } from "../kit/charts.js";
import { ago, duration, moment, number, plural, share, version } from "../kit/format.js";
import { h, UI } from "../kit/host.js";
import { Answered } from "../kit/states.js";

export function Traffic({ base }) {
  const answer = useAnswer(`${base}/traffic`);
  const servers = useAnswer(`${base}/traffic/servers`);
  return h(
    Card,
    { title: "Traffic" },
    h(Answered, { answer, label: "Loading traffic" }, (traffic) =>
      h(
        UI.SimpleGrid,
        { columns: { base: 1, lg: 2 }, gapX: 8, gapY: 4, alignItems: "start" },
        h(
          UI.Stack,
          { gap: 4, minW: 0 },
          h(Split, { traffic }),
          h(Answered, { answer: servers, label: "Asking the model server" }, (said) => h(Servers, { servers: said.servers })),
          traffic.versions.length > 0 && h(ByVersion, { versions: traffic.versions, champion: traffic.champion }),
          traffic.batches.length > 0 && h(Batches, { batches: traffic.batches }),
        ),
        h(UI.Stack, { gap: 4, minW: 0 }, h(Volume, { traffic }), traffic.answered.length > 1 && h(Requests, { answered: traffic.answered })),
      ),
    ),
  );
}

function Split({ traffic }) {
  if (!traffic.champion) return h(UI.Text, { fontSize: "sm" }, "Nothing serves yet.");
  return h(UI.Text, { fontSize: "sm" }, `All requests go to the champion, ${version(traffic.champion)}: no split between versions is on record.`);
}

function Servers({ servers }) {
  if (!servers.length) return h(UI.Text, { fontSize: "sm", color: "fg.muted" }, "No model server that is connected serves this model; only batches are scored.");
  return servers.map((server, place) => h(Server, { key: place, server }));
}

function Server({ server }) {
  if (server.trouble) {
    return h(UI.Alert.Root, { status: "warning", size: "sm" }, h(UI.Alert.Indicator), h(UI.Alert.Title, { fontWeight: "normal" }, server.trouble));
  }
  const facts = [
    ["Answers", version(server.version)],
    ["Requests", number(server.requests)],
    ["Failed", server.requests ? `${number(server.failed)} (${share(server.failed / server.requests)})` : "—"],
    ["Half within", within(server.p50_s, server)],
    ["95 % within", within(server.p95_s, server)],
    ["99 % within", within(server.p99_s, server)],
  ];
  return h(
    UI.Box,
    null,
    h(UI.Text, { fontSize: "xs", color: "fg.muted", mb: 1 }, `${server.connection ? `The server of connection ${server.connection}` : "A model server"}; counting began ${ago(server.since)}`),
    h(
      UI.SimpleGrid,
      { as: "dl", columns: { base: 2, sm: 3 }, gapX: 4, gapY: 2 },
      facts.map(([name, value]) => h(UI.Box, { key: name }, h(UI.Text, { as: "dt", fontSize: "xs", color: "fg.muted" }, name), h(UI.Text, { as: "dd", fontWeight: "semibold" }, value))),
    ),
  );
}

const within = (seconds, server) => (seconds === null && server.requests ? "longer than counted" : duration(seconds));

function Volume({ traffic }) {
  if (!traffic.windows.length) return h(UI.Text, { fontSize: "sm", color: "fg.muted" }, "No window of predictions was judged yet.");
  const windows = traffic.windows.map((each) => ({ ...each, at: each.end ?? each.at }));
  const last = traffic.windows.at(-1);
  const names = [...new Set(windows.flatMap((each) => Object.keys(each.by_version)))];
  return h(
    UI.Box,
    null,
    h(UI.Text, { fontSize: "sm", mb: 1 }, "Predictions in each window that was judged"),
    h(LineChart, {
      label: "Predictions in each window",
      height: 130,
      format: number,
      range: fromZero(windows.map((each) => each.predictions)),
      series: [
        { name: "predictions", points: windows.map((each) => ({ at: each.at, value: each.predictions })) },
        ...(names.length
          ? names.slice(-MOST_CURVES).map((name) => ({ name: `labelled, answered by ${version(name)}`, points: windows.map((each) => ({ at: each.at, value: each.by_version[name] ?? null })) }))
          : [{ name: "labelled", dashed: true, points: windows.map((each) => ({ at: each.at, value: each.labelled })) }]),
      ],
    }),
    h(UI.Text, { fontSize: "xs", color: "fg.muted" }, `The last window, to ${moment(last.end ?? last.at, { year: true })}: ${plural(last.predictions, "prediction")}, ${number(last.labelled)} with a label. Which version answered is known of those with a label.`),
  );
}

// More versions than these cannot be told apart.
const MOST_CURVES = 4;

const fromZero = (counts) => [0, Math.max(...counts, 1) * 1.08];

function Requests({ answered }) {
  return h(
    UI.Box,
    null,
    h(UI.Text, { fontSize: "sm", mb: 1 }, "Requests between looks, and those slower than promised"),
    h(LineChart, {
      label: "Requests between looks",
      height: 120,
      format: number,
      range: fromZero(answered.map((each) => each.requests)),
      series: [
        { name: "requests", points: answered.map((each) => ({ at: each.at, value: each.requests })) },
        { name: "slow", color: "border.warning", points: answered.map((each) => ({ at: each.at, value: each.slow })) },
      ],
    }),
  );
}

const MOST_ROWS = 8;
const COLUMNS = ["Version", "Labelled predictions", "Rows in batches", "Time of one row"];

// What is on record of each version; of requests over time only the server, and Prometheus, know more.
function ByVersion({ versions, champion }) {
  const cells = (each) => [version(each.version), number(each.labelled), number(each.batch_rows), each.trial_ms === null ? "not tried on a server" : number(each.trial_ms, { unit: "ms" })];
  return h(
    UI.Box,
    { overflowX: "auto", tabIndex: 0, role: "region", "aria-label": "Traffic by version" },
    h(
      UI.Table.Root,
      { size: "sm" },
      h(UI.Table.Header, null, h(UI.Table.Row, null, COLUMNS.map((name, place) => h(UI.Table.ColumnHeader, { key: name, scope: "col", textAlign: place ? "end" : "start" }, name)))),
      h(
        UI.Table.Body,
        null,
        versions.slice(0, MOST_ROWS).map((each) =>
          h(UI.Table.Row, { key: each.version, fontWeight: each.version === champion ? "semibold" : undefined }, cells(each).map((cell, place) => h(UI.Table.Cell, { key: COLUMNS[place], textAlign: place ? "end" : "start" }, cell))),
        ),
      ),
    ),
    h(
      UI.Text,
      { fontSize: "xs", color: "fg.muted", mt: 1 },
      "Labelled predictions of the last 60 looks; the time is the median of one row when the version was last tried on the server, before it served. The server counts requests anew with each version, so what earlier ones took is only where its metrics are kept: mlops_server_request_seconds beside mlops_server_version.",
    ),
  );
}

function Batches({ batches }) {
  const rows = batches.reduce((sum, each) => sum + each.rows, 0);
  const last = batches.at(-1);
  return h(
    UI.Text,
    { fontSize: "sm" },
    `${plural(batches.length, "batch", "batches")} scored, ${plural(rows, "row")}; the last ${plural(last.rows, "row")} by ${version(last.version)} on ${moment(last.at, { year: true })}.`,
  );
}
