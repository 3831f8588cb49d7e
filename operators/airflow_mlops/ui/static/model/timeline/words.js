// What the timeline says in words, in charts and tables alike.
import { isNumber, moment, number, sentence, share, version } from "../../kit/format.js";

// Colours of what was done: what serves changed, or nearly did.
export const MARK_COLOURS = { promoted: "blue.solid", "rolled back": "red.solid", refused: "orange.solid" };
const GRAVE = ["data blocked", "bake broken", "rolled back", "budget spent", "circuit open", "call"];

export const incidentColour = ({ kind, known }) => `${known ? "gray" : GRAVE.includes(kind) ? "red" : "orange"}.solid`;

const NAMES = { call: "a person is called", drift: "drift that lasts" };

export const incidentName = ({ kind, subject }) => {
  const name = sentence(NAMES[kind] ?? kind);
  // A run is of a DAG, whose id is written as it is.
  return subject ? `${name}: ${kind === "late run" ? subject : subject.replaceAll("_", " ")}` : name;
};

// Short, for the place is small; the sentence is in the table.
export const markName = ({ kind, version: of }) =>
  ({
    asked: "Change asked for",
    refused: of ? `${version(of)} refused` : "Challenger refused",
    promoted: `${version(of)} promoted`,
    "rolled back": `Rolled back to ${version(of)}`,
    held: of ? `${version(of)} frozen` : "Held",
    free: of ? `${version(of)} unfrozen` : "Let go",
    drill: "Rollback rehearsed",
  })[kind] ?? sentence(kind);

export const metricName = (metric) => `${sentence(metric)}, lower is better`;

// "6,005 of 6,200 labels, 97 %; limit 0.79; v1 0.53, v2 0.56"
export function windowNote({ labelled, rows, maturity, limit, versions }) {
  const labels = `${number(labelled)} of ${number(rows)} labels, ${share(maturity)}`;
  const each = versions.length > 1 ? versions.map((one) => `${version(one.version)} ${number(one.loss)}`).join(", ") : null;
  return [labels, isNumber(limit) && `limit ${number(limit)}`, each].filter(Boolean).join("; ");
}

export const interval = ({ low, high }, format = number) =>
  isNumber(low) && isNumber(high) ? `${format(low)} to ${format(high)}` : "—";

// From when to when; a moment where it was over at once.
export function lasted({ start, end, is_cut: isCut }) {
  const from = `${isCut ? "before " : ""}${moment(start, { year: true })}`;
  if (!end) return `since ${from}`;
  return end === start ? from : `${from} to ${moment(end, { year: true })}`;
}
