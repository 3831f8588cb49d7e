// Drift by column: how far each has moved, the farthest first, with its distribution over that of the reference.
import { useAnswer } from "../kit/api.js";
import { Card } from "../kit/card.js";
import { moment, number, plural, sentence, share, span } from "../kit/format.js";
import { h, UI } from "../kit/host.js";
import { ReportLink } from "../kit/reports.js";
import { Answered, Empty, Trouble } from "../kit/states.js";
import { useChosen } from "./place.js";
import { Columns } from "./drift_columns.js";

export function Drift({ base }) {
  const [look, setLook] = useChosen("look");
  const answer = useAnswer(`${base}/drift?limit=2000${look ? `&look=${look}` : ""}`, { every: 60_000 });
  return h(
    Card,
    { title: "Drift by column", aside: answer.data?.looks.length > 0 && h(Looks, { looks: answer.data.looks, look, setLook }) },
    h(Answered, { answer, label: "Loading drift" }, (drift) => (drift.look ? h(Found, { drift, base }) : h(Nothing))),
  );
}

const Nothing = () => h(Empty, { title: "No drift report yet.", children: h(UI.Text, null, "The monitor compares each window with the rows the champion was trained on, once there is a champion.") });

function Looks({ looks, look, setLook }) {
  const option = (each, place) => h("option", { key: each.id, value: place ? each.id : "" }, `${moment(each.at, { year: true })}, ${each.verdict}`);
  return h(
    UI.NativeSelect.Root,
    { size: "xs", width: "15rem" },
    h(UI.NativeSelect.Field, { "aria-label": "Look", value: look ?? "", onChange: (event) => setLook(event.target.value || null) }, looks.map(option)),
    h(UI.NativeSelect.Indicator),
  );
}

function Found({ drift, base }) {
  return h(
    UI.Stack,
    { gap: 3 },
    h(Summary, { drift }),
    h(Trouble, { error: drift.trouble ? { message: drift.trouble, status: 404 } : null }),
    drift.total > 0 && h(Columns, { drift, base, key: drift.look.id }),
    drift.left_out.length > 0 && h(UI.Text, { fontSize: "xs", color: "fg.muted" }, `Left out as sensitive: ${drift.left_out.join(", ")}.`),
  );
}

// A threshold knows neither chance nor the seasons: what the policy reads is the loop's own verdict.
const SIGNALS = {
  "data drift": "By what is usual and what chance can do, as the policy reads it, the columns are: ",
  "prediction drift": "The model's answers, in the same way, are: ",
};

function Summary({ drift }) {
  const rows = drift.current_rows === null ? "" : ` ${plural(drift.current_rows, "row")} against ${number(drift.reference_rows)} of the reference.`;
  const window = drift.start && drift.end ? ` ${span(drift.start, drift.end)}.` : "";
  const limit = drift.share_threshold === null ? "" : ` (the set counts as drifted from ${share(drift.share_threshold)})`;
  return h(
    UI.Stack,
    { gap: 1, fontSize: "sm" },
    drift.compared === null
      ? h(UI.Text, null, `${sentence(drift.look.verdict)}.`)
      : h(UI.Text, null, `By the thresholds of the spec: ${number(drift.drifted)} of ${plural(drift.compared, "column")} beyond theirs${limit}, which is ${drift.look.verdict}. `, h(ReportLink, { to: drift.report }, "Evidently's page")),
    h(UI.Text, { color: "fg.muted" }, `${window}${rows}`.trim()),
    drift.signals.map((signal) =>
      h(
        UI.Text,
        { key: signal.name },
        SIGNALS[signal.name] ?? `${signal.name}: `,
        h(UI.Text, { as: "span", fontWeight: "semibold" }, signal.verdict === "unknown" ? "not enough data" : signal.verdict),
        signal.detail ? `; ${signal.detail}.` : ".",
      ),
    ),
    drift.domain && h(UI.Text, null, drift.domain),
  );
}
