// The list: one row a model.
import { OURS, useAnswer } from "../kit/api.js";
import { h, RouterLink, UI, useEffect, useRef, useState } from "../kit/host.js";
import { plural } from "../kit/format.js";
import { Empty, Loading, Trouble } from "../kit/states.js";
import { Filters } from "./filters.js";
import { Paging } from "./paging.js";
import { asked, isFiltered, NEED_PERSON, UNFILTERED, useListQuery } from "./query.js";
import { ModelCards, ModelTable } from "./table.js";

// Below this the columns do not fit beside Airflow's navigation.
const ROOMY = "(min-width: 1280px)";

export function ModelsPage() {
  const [query, change] = useListQuery();
  const answer = useAnswer(`${OURS}/models?${asked(query)}`);
  const { list, query: shown } = useLast(answer.data && { list: answer.data, query });
  const isRoomy = useMedia(ROOMY);
  const hasNone = list && !list.total && !isFiltered(query);
  useExistingPage(answer.data, query, change);
  const top = useTopOn(query.page);
  return h(
    UI.Box,
    { p: { base: 3, md: 6 }, minW: 0 },
    h(UI.Heading, { as: "h1", size: "lg", ref: top }, "Models"),
    h(UI.Text, { color: "fg.muted", mb: 4, minH: 6, "aria-live": "polite" }, list && summary(list)),
    !hasNone && h(Filters, { query, change, list, withSort: !isRoomy }),
    h(UI.Box, { position: "sticky", top: 2, zIndex: "docked", bg: "bg" }, h(Trouble, answer)),
    list && h(Rows, { list, query, shown, change, isRoomy, isOld: !answer.data }),
    !list && !answer.error && h(Loading, { label: "Loading models" }),
  );
}

function Rows({ list, query, shown, change, isRoomy, isOld }) {
  if (!list.total) return isFiltered(query) ? h(NothingMatches, { change }) : h(NoModel);
  return h(
    UI.Box,
    // What was shown stays while the next answer is on its way, or does not come.
    { "aria-busy": isOld, opacity: isOld ? 0.6 : 1 },
    h(isRoomy ? ModelTable : ModelCards, { models: list.models, query, change }),
    h(Paging, { query, shown, change, total: list.total }),
  );
}

function summary({ states, needs_person: needy }) {
  const all = Object.values(states).reduce((sum, count) => sum + count, 0);
  const parts = NEED_PERSON.filter((state) => states[state]).map((state) => `${states[state]} ${state}`);
  if (!all) return "";
  if (!needy) return `${plural(all, "model")}, none needs somebody`;
  return `${plural(all, "model")}, ${needy} ${needy === 1 ? "needs" : "need"} somebody: ${parts.join(", ")}`;
}

function NothingMatches({ change }) {
  const clear = { size: "sm", variant: "outline", mt: 3, onClick: () => change(UNFILTERED) };
  return h(Empty, { title: "No model matches." }, h(UI.Button, clear, "Clear search and filters"));
}

function NoModel() {
  const link = { asChild: true, color: "fg.info" };
  return h(
    Empty,
    { title: "There is no model that you may see yet." },
    h(
      UI.Text,
      { mt: 2, maxW: "640px", mx: "auto" },
      "A model appears once its spec lies in the folder of the DAGs and Airflow has read its DAGs; the quickstart, ",
      h("code", null, "docs/quickstart.md"),
      ", shows the whole way.",
    ),
    h(
      UI.Text,
      { mt: 2, maxW: "640px", mx: "auto" },
      "There is one already? See whether ",
      h(UI.Link, link, h(RouterLink, { to: "/dags?tags=mlops" }, "its DAGs")),
      " are there and may be read by you, and whether ",
      h("code", null, "airflow-mlops lint"),
      " finds a fault in its spec.",
    ),
  );
}

// The last answer, and to what: the page does not go blank between two of them.
function useLast(answered) {
  const last = useRef({});
  if (answered) last.current = answered;
  return last.current;
}

// Another page begins at its top.
function useTopOn(page) {
  const top = useRef(null);
  const before = useRef(page);
  useEffect(() => {
    if (before.current !== page) top.current?.scrollIntoView({ block: "center" });
    before.current = page;
  }, [page]);
  return top;
}

function useMedia(condition) {
  const [holds, setHolds] = useState(() => globalThis.matchMedia(condition).matches);
  useEffect(() => {
    const media = globalThis.matchMedia(condition);
    const look = () => setHolds(media.matches);
    media.addEventListener("change", look);
    return () => media.removeEventListener("change", look);
  }, [condition]);
  return holds;
}

// A page that no longer exists, since models went: the last one that does.
function useExistingPage(data, query, change) {
  const pages = data ? Math.max(Math.ceil(data.total / query.size), 1) : query.page;
  useEffect(() => {
    if (query.page > pages) change({ page: pages }, { replace: true });
  }, [query.page, pages]);
}
