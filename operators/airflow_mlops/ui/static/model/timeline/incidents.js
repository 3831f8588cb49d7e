// What went wrong, in words: since when, why, what was done, and what explains it.
import { capital, plural, when } from "../../kit/format.js";
import { h, UI, useState } from "../../kit/host.js";
import { incidentColour, incidentName, lasted } from "./words.js";

const FIRST = 4;

export function Incidents({ incidents, last, choose }) {
  const [all, setAll] = useState(false);
  const ordered = [...incidents].sort(newestFirst);
  if (!ordered.length) return h(UI.Text, { color: "fg.muted", fontSize: "sm" }, "No incident in this range.");
  const open = ordered.filter(isOpen).length;
  return h(
    UI.Box,
    null,
    h(UI.Heading, { as: "h3", size: "xs", fontWeight: "medium", mb: 2 }, `${plural(ordered.length, "incident")}${open ? `, ${open} open` : ""}`),
    h(UI.Stack, { as: "ul", gap: 2, listStyleType: "none" }, ordered.slice(0, all ? ordered.length : FIRST).map((incident) => h(Incident, { key: incident.id, incident, show: () => choose(rangeOf(incident, last)) }))),
    ordered.length > FIRST &&
      h(UI.Button, { size: "xs", variant: "ghost", mt: 2, "aria-expanded": all, onClick: () => setAll(!all) }, all ? "Show fewer" : `Show all ${ordered.length}`),
  );
}

const isOpen = ({ end }) => end === null;

// Where the model's time stands still, the clock's tells which came last.
const newestFirst = (one, other) =>
  isOpen(other) - isOpen(one) || when(other.noticed) - when(one.noticed) || when(other.recorded_at) - when(one.recorded_at);

// What was before an incident says as much as the incident itself.
const BESIDE = 14 * 86_400_000;

function rangeOf({ start, end }, last) {
  const to = when(end ?? last);
  const at = (milliseconds) => new Date(milliseconds).toISOString();
  return { range: null, from: at(when(start) - BESIDE), to: at(Math.max(to, when(start)) + BESIDE), section: "timeline" };
}

function Incident({ incident, show }) {
  const colour = incidentColour(incident).replace(".solid", "");
  const more = [...incident.done.map(capital), incident.known && `Known: ${incident.known}`].filter(Boolean);
  return h(
    UI.Box,
    { as: "li", borderLeftWidth: "3px", borderColor: `${colour}.solid`, pl: 3, fontSize: "sm" },
    h(
      UI.HStack,
      { gap: 2, flexWrap: "wrap" },
      h(UI.Text, { fontWeight: "medium" }, incidentName(incident)),
      isOpen(incident) && h(UI.Badge, { colorPalette: colour, size: "sm" }, "open"),
      h(UI.Text, { color: "fg.muted" }, lasted(incident)),
      h(UI.Button, { size: "2xs", variant: "ghost", onClick: show, "aria-label": `Show the weeks around ${incidentName(incident)}, ${lasted(incident)}` }, "Show these weeks"),
    ),
    h(UI.Text, { overflowWrap: "anywhere" }, capital(incident.cause)),
    more.map((words) => h(UI.Text, { key: words, color: "fg.muted", overflowWrap: "anywhere" }, words)),
  );
}
