// What the list shows, kept in the address: a link can be shared, and Back goes a step back.
import { Router, useCallback, useMemo } from "../kit/host.js";

// In the order in which they need somebody; `color` is a palette.
export const STATES = {
  "out of order": { color: "red", needsPerson: true },
  "data blocked": { color: "red", needsPerson: true },
  "needs approval": { color: "purple", needsPerson: true },
  "budget spent": { color: "red", needsPerson: true },
  "needs a person": { color: "red", needsPerson: true },
  paused: { color: "gray" },
  frozen: { color: "gray" },
  "no champion": { color: "gray" },
  retraining: { color: "blue" },
  watching: { color: "orange" },
  healthy: { color: "green" },
};
export const NEED_PERSON = Object.keys(STATES).filter((state) => STATES[state].needsPerson);
export const SIZES = [25, 50, 100, 200];

// Sorted first by a click: the way round that brings what is worst, or newest, to the top.
export const SORTS = {
  name: { label: "Model", descending: false },
  state: { label: "State", descending: false },
  since: { label: "Serving", descending: true },
  quality: { label: "Quality", descending: true },
  drift: { label: "Drift", descending: true },
  budget: { label: "Error budget", descending: false },
  decision: { label: "Last decision", descending: true },
};

const FIRST = { q: "", owner: "", tag: "", states: [], sort: "state", descending: false, page: 1, size: 50 };
const LONGEST = 200;

export function useListQuery() {
  const [params, setParams] = Router.useSearchParams();
  const query = useMemo(() => read(params), [params]);
  const change = useCallback(
    (changes, { replace = false } = {}) =>
      setParams((before) => written({ ...read(before), page: 1, ...changes }), { replace }),
    [setParams],
  );
  return [query, change];
}

// Anybody may have written the address: what makes no sense counts as not said.
function read(params) {
  const sort = params.get("sort") in SORTS ? params.get("sort") : FIRST.sort;
  const descending = params.get("descending");
  return {
    q: (params.get("q") ?? "").slice(0, LONGEST),
    owner: (params.get("owner") ?? "").slice(0, LONGEST),
    tag: (params.get("tag") ?? "").slice(0, LONGEST),
    states: params.getAll("state").filter((state) => state in STATES),
    sort,
    descending: descending === null ? SORTS[sort].descending : descending === "true",
    page: Math.min(Math.max(Number.parseInt(params.get("page"), 10) || 1, 1), 10_000),
    size: SIZES.find((size) => size === Number(params.get("size"))) ?? FIRST.size,
  };
}

function written(query) {
  const params = new URLSearchParams();
  for (const name of ["q", "owner", "tag", "sort", "page", "size"]) {
    if (query[name] !== FIRST[name]) params.set(name, query[name]);
  }
  if (query.descending !== SORTS[query.sort].descending) params.set("descending", query.descending);
  for (const state of query.states) params.append("state", state);
  return params;
}

// The same as the API asks for it.
export function asked(query) {
  const params = new URLSearchParams({ sort: query.sort, descending: query.descending, limit: query.size });
  params.set("offset", (query.page - 1) * query.size);
  for (const name of ["q", "owner", "tag"]) if (query[name].trim()) params.set(name, query[name].trim());
  for (const state of query.states) params.append("state", state);
  return params;
}

export const isFiltered = ({ q, owner, tag, states }) => Boolean(q.trim() || owner || tag || states.length);

export const UNFILTERED = { q: "", owner: "", tag: "", states: [] };

// Click on the column that sorts: the other way round; on another one: its own first way.
export const sorted = (query, sort) => ({
  sort,
  descending: query.sort === sort ? !query.descending : SORTS[sort].descending,
});
