// What is shown while there is nothing to show, and why.
import { capital, moment } from "./format.js";
import { h, UI } from "./host.js";

export function Loading({ label = "Loading" }) {
  const spinner = h(UI.Spinner, { size: "sm", _motionReduce: { animation: "none" } });
  return h(UI.HStack, { role: "status", py: 6, gap: 3, color: "fg.muted" }, spinner, label);
}

export function Empty({ title, children }) {
  return h(
    UI.Box,
    { py: 4, textAlign: "center", color: "fg.muted", fontSize: "sm" },
    h(UI.Text, { fontWeight: "semibold" }, title),
    children,
  );
}

// `since` is when what is still shown was so, where something is.
export function Trouble({ error, since }) {
  if (!error) return null;
  const age = since ? ` What is shown is as it was on ${moment(since)} UTC.` : "";
  return h(
    UI.Alert.Root,
    { status: error.status === 404 ? "info" : "error", mb: 4, role: "alert" },
    h(UI.Alert.Indicator),
    h(UI.Alert.Title, { fontWeight: "normal" }, `${capital(error.message)}${age}`),
  );
}

// All of a page comes from these two, and its head says the whole sentence: its parts say it in short.
const AWAY = { ledger: "The ledger is away", airflow: "Airflow's API server is away" };

function Old({ error, since }) {
  if (!AWAY[error?.away]) return h(Trouble, { error, since });
  const text = `${AWAY[error.away]}: this is as it was on ${moment(since)} UTC.`;
  return h(UI.Text, { role: "status", fontSize: "sm", color: "red.fg", mb: 2 }, text);
}

// A part of a page that asks for its own answer: trouble in one leaves the others alone.
export function Answered({ answer, label, children }) {
  if (answer.error && !answer.data) return h(Trouble, { error: answer.error });
  if (!answer.data) return h(Loading, { label });
  return h(UI.Box, null, h(Old, answer), children(answer.data));
}
