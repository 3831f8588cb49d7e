// What is shown while there is nothing to show, and why.
import { capital } from "./format.js";
import { h, UI } from "./host.js";

export function Loading({ label = "Loading" }) {
  const spinner = h(UI.Spinner, { size: "sm", _motionReduce: { animation: "none" } });
  return h(UI.HStack, { role: "status", py: 6, gap: 3, color: "fg.muted" }, spinner, label);
}

export function Empty({ title, children }) {
  return h(
    UI.Box,
    { py: 10, textAlign: "center", color: "fg.muted" },
    h(UI.Text, { fontWeight: "semibold" }, title),
    children,
  );
}

export function Trouble({ error }) {
  if (!error) return null;
  return h(
    UI.Alert.Root,
    { status: error.status === 404 ? "info" : "error", mb: 4, role: "alert" },
    h(UI.Alert.Indicator),
    h(UI.Alert.Title, { fontWeight: "normal" }, capital(error.message)),
  );
}

// A part of a page that asks for its own answer: trouble in one leaves the others alone.
export function Answered({ answer, label, children }) {
  if (answer.error && !answer.data) return h(Trouble, { error: answer.error });
  if (!answer.data) return h(Loading, { label });
  return h(UI.Box, null, h(Trouble, { error: answer.error }), children(answer.data));
}
