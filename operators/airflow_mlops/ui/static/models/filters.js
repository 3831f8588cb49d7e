// Search and filters above the list.
import { h, UI, useEffect, useState } from "../kit/host.js";
import { number, sentence } from "../kit/format.js";
import { NEED_PERSON, sorted, SORTS, STATES } from "./query.js";

const PAUSE_MS = 300;

export function Filters({ query, change, list, withSort }) {
  return h(
    UI.Stack,
    { gap: 3, mb: 4, role: "search", "aria-label": "Models" },
    h(
      UI.HStack,
      { gap: 2, flexWrap: "wrap" },
      h(Search, { value: query.q, onSearch: (q) => change({ q }, { replace: Boolean(q && query.q) }) }),
      h(Choice, { name: "owner", chosen: query.owner, options: list?.owners, change }),
      h(Choice, { name: "tag", chosen: query.tag, options: list?.tags, change }),
      withSort && h(SortChoice, { query, change }),
    ),
    list && h(StateChips, { query, change, list }),
  );
}

function Search({ value, onSearch }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return undefined;
    const timer = setTimeout(() => onSearch(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, value]);
  return h(UI.Input, {
    type: "search",
    "aria-label": "Search models, owners and tags",
    placeholder: "Search models, owners, tags",
    value: text,
    maxLength: 200,
    onChange: (event) => setText(event.target.value),
    size: "sm",
    w: { base: "100%", sm: "260px" },
  });
}

function Choice({ name, chosen, options = [], change }) {
  const shown = chosen && !options.includes(chosen) ? [chosen, ...options] : options;
  if (!shown.length) return null;
  return h(
    Select,
    { label: sentence(name), value: chosen, onChange: (value) => change({ [name]: value }) },
    h("option", { value: "" }, `All ${name}s`),
    shown.map((option) => h("option", { key: option, value: option }, option)),
  );
}

function SortChoice({ query, change }) {
  const onChange = (sort) => change({ sort, descending: SORTS[sort].descending });
  const turn = () => change(sorted(query, query.sort));
  return h(
    UI.HStack,
    { gap: 1 },
    h(
      Select,
      { label: "Sort by", value: query.sort, onChange },
      Object.entries(SORTS).map(([sort, { label }]) =>
        h("option", { key: sort, value: sort }, `By ${label.toLowerCase()}`),
      ),
    ),
    h(
      UI.Button,
      { size: "sm", variant: "outline", "aria-label": "Sort the other way round", onClick: turn },
      query.descending ? "↓" : "↑",
    ),
  );
}

function Select({ label, value, onChange, children }) {
  return h(
    UI.NativeSelect.Root,
    { size: "sm", w: "auto", minW: "130px", maxW: "220px" },
    h(
      UI.NativeSelect.Field,
      { "aria-label": label, value, onChange: (event) => onChange(event.target.value) },
      children,
    ),
    h(UI.NativeSelect.Indicator),
  );
}

function StateChips({ query, change, list }) {
  const chosen = new Set(query.states);
  const isNeedy = chosen.size === NEED_PERSON.length && NEED_PERSON.every((state) => chosen.has(state));
  const occurring = Object.keys(STATES).filter((state) => list.states[state] || (chosen.has(state) && !isNeedy));
  const all = Object.values(list.states).reduce((sum, count) => sum + count, 0);
  const toggled = (state) => {
    const next = new Set(isNeedy ? [] : chosen);
    if (!next.delete(state)) next.add(state);
    return [...next];
  };
  const toggleNeedy = () => change({ states: isNeedy ? [] : NEED_PERSON });
  return h(
    UI.HStack,
    { gap: 2, flexWrap: "wrap", role: "group", "aria-label": "Filter by state" },
    h(Chip, { name: "All", count: all, isOn: !chosen.size, onClick: () => change({ states: [] }) }),
    h(Chip, { name: "Needs somebody", count: list.needs_person, isOn: isNeedy, onClick: toggleNeedy }),
    occurring.map((state) =>
      h(Chip, {
        key: state,
        name: sentence(state),
        count: list.states[state] ?? 0,
        isOn: !isNeedy && chosen.has(state),
        onClick: () => change({ states: toggled(state) }),
      }),
    ),
  );
}

function Chip({ name, count, isOn, onClick }) {
  const look = isOn ? { variant: "subtle", fontWeight: "semibold" } : { variant: "outline", fontWeight: "normal" };
  return h(
    UI.Button,
    { size: "xs", "aria-pressed": isOn, onClick, ...look },
    `${name} ${number(count)}`,
  );
}
