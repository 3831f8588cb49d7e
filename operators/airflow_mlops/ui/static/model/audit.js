// The audit trail: every event as a sentence, with its run, its two times and the first letters of its hash.
import { ask, OURS, useAnswer } from "../kit/api.js";
import { Card } from "../kit/card.js";
import { ago, moment, plural } from "../kit/format.js";
import { h, RouterLink, UI, useEffect, useState } from "../kit/host.js";
import { Answered, Empty, Trouble } from "../kit/states.js";
import { useChosen } from "./place.js";

const FILTERS = [
  { name: "everything", words: "Everything" },
  { name: "people", words: "People only", query: "&people=true" },
  { name: "serving", words: "What served", kinds: ["promotion", "deploy", "bake", "rollback", "drill"] },
  { name: "deciding", words: "Decisions", kinds: ["decision", "shadow_decision", "request", "signals"] },
  { name: "training", words: "Training", kinds: ["features", "train", "weigh", "evaluate", "register", "reproduction"] },
  { name: "rows", words: "Rows", kinds: ["ingest", "validate", "drift", "score"] },
];

export function Audit({ base }) {
  const [named, setNamed] = useChosen("audit");
  const { name: chosen, kinds = [], query = "" } = FILTERS.find((each) => each.name === named) ?? FILTERS[0];
  const setChosen = (name) => setNamed(name === FILTERS[0].name ? null : name);
  const url = `${base}/audit?limit=20${query}${kinds.map((kind) => `&kind=${kind}`).join("")}`;
  const answer = useAnswer(url);
  return h(
    Card,
    { title: "Audit trail", aside: h(Filter, { chosen, setChosen }) },
    h(Answered, { answer, label: "Loading the audit trail" }, (trail) => h(Trail, { key: url, trail, url })),
  );
}

function Filter({ chosen, setChosen }) {
  return h(
    UI.HStack,
    { role: "group", "aria-label": "Kinds of events", gap: 1, flexWrap: "wrap" },
    FILTERS.map(({ name, words }) =>
      h(
        UI.Button,
        { key: name, size: "xs", variant: name === chosen ? "subtle" : "ghost", "aria-pressed": name === chosen, onClick: () => setChosen(name) },
        words,
      ),
    ),
  );
}

// The first page is asked for again by itself; those below it are loaded once, for an event never changes.
function Trail({ trail, url }) {
  const [{ entries, next }, setKnown] = useState({ entries: trail.entries, next: trail.next_before });
  const [state, setState] = useState({ busy: false, error: null });
  useEffect(() => setKnown((known) => joined(trail, known)), [trail]);
  const more = async () => {
    setState({ busy: true, error: null });
    try {
      const page = await ask(`${url}&before=${next}`);
      setKnown((known) => ({ entries: [...known.entries, ...page.entries], next: page.next_before }));
      setState({ busy: false, error: null });
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  if (!entries.length) return h(Empty, { title: url.includes("people=") || url.includes("kind=") ? "Nothing of this kind is on record." : "Nothing is on record yet." });
  return h(
    UI.Stack,
    { gap: 3 },
    h(Chain, { trouble: trail.trouble }),
    h(Entries, { entries }),
    h(Trouble, { error: state.error }),
    next !== null && h(UI.Box, null, h(UI.Button, { size: "xs", variant: "outline", loading: state.busy, onClick: more }, "Load more")),
  );
}

// New events above those that are known; where so many are new that a page does not reach down to them, it begins anew.
function joined(trail, known) {
  const newest = known.entries[0]?.seq ?? 0;
  const isApart = trail.next_before !== null && trail.entries.at(-1).seq > newest;
  if (isApart || !known.entries.length) return { entries: trail.entries, next: trail.next_before };
  return { entries: [...trail.entries.filter((each) => each.seq > newest), ...known.entries], next: known.next };
}

function Chain({ trouble }) {
  if (!trouble) return h(UI.Text, { fontSize: "xs", color: "fg.muted" }, "The end of the chain is whole.");
  return h(UI.Alert.Root, { status: "error", role: "alert" }, h(UI.Alert.Indicator), h(UI.Alert.Title, { fontWeight: "normal" }, trouble));
}

const HEADERS = ["No.", "Model's time", "Event", "By", "Recorded", "Hash"];

function Entries({ entries }) {
  return h(
    UI.Box,
    { overflowX: "auto", tabIndex: 0, role: "region", "aria-label": `Audit trail, ${plural(entries.length, "event")}` },
    h(
      UI.Table.Root,
      { size: "sm" },
      h(UI.Table.Header, null, h(UI.Table.Row, null, HEADERS.map((name) => h(UI.Table.ColumnHeader, { key: name, scope: "col", whiteSpace: "nowrap" }, name)))),
      h(UI.Table.Body, null, entries.map((entry) => h(Line, { key: entry.seq, entry }))),
    ),
  );
}

function Line({ entry }) {
  const cell = (props, ...children) => h(UI.Table.Cell, { verticalAlign: "top", ...props }, ...children);
  return h(
    UI.Table.Row,
    null,
    cell({ color: "fg.muted" }, entry.seq),
    cell({ whiteSpace: "nowrap" }, moment(entry.at, { year: true })),
    cell(
      { minW: "18rem" },
      h(UI.Text, null, entry.what),
      entry.why && h(UI.Text, { color: "fg.muted", fontSize: "xs" }, entry.why),
    ),
    cell({ whiteSpace: entry.is_person ? undefined : "nowrap", fontWeight: entry.is_person ? "semibold" : undefined, color: entry.is_person ? undefined : "fg.muted" }, entry.who),
    cell({ whiteSpace: "nowrap", title: moment(entry.recorded_at, { year: true }) }, h(Run, { entry })),
    cell({ color: "fg.muted", fontFamily: "mono", fontSize: "xs" }, entry.hash),
  );
}

function Run({ entry }) {
  const when = ago(entry.recorded_at);
  if (!entry.dag_id) return when;
  const to = `/dags/${encodeURIComponent(entry.dag_id)}/runs/${encodeURIComponent(entry.run)}`;
  return h(UI.Link, { asChild: true, color: "fg.info" }, h(RouterLink, { to, "aria-label": `Run of ${entry.dag_id} that recorded event ${entry.seq}, ${when}` }, when));
}
