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
          traffic.batches.length > 0 && h(Batches, { batches: traffic.batches }),
        ),
        h(UI.Stack, { gap: 4, minW: 0 }, h(Volume, { traffic }), traffic.answered.length > 1 && h(Requests, { answered: traffic.answered })),
      ),
    ),
  );
}

function Split({ traffic }) {
  if (!traffic.champion) return h(UI.Text, { fontSize: "sm" }, "Nothing serves yet.");
  return h(UI.Text, { fontSize: "sm" }, `All requests go to the champion, ${version(traffic.champion)}.`);
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
  const who = Object.entries(last.by_version).map(([name, rows]) => `${version(name)} ${number(rows)}`);
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
        { name: "labelled", dashed: true, points: windows.map((each) => ({ at: each.at, value: each.labelled })) },
      ],
    }),
    who.length > 0 && h(UI.Text, { fontSize: "xs", color: "fg.muted" }, `Labelled predictions of the last window by who answered: ${who.join(", ")}.`),
  );
}

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

function Batches({ batches }) {
  const rows = batches.reduce((sum, each) => sum + each.rows, 0);
  const last = batches.at(-1);
  return h(
    UI.Text,
    { fontSize: "sm" },
    `${plural(batches.length, "batch", "batches")} scored, ${plural(rows, "row")}; the last ${plural(last.rows, "row")} by ${version(last.version)} on ${moment(last.at, { year: true })}.`,
  );
}
