// The way to the parts of a long page; the part that was gone to is in the address.
import { h, RouterLink, Router, UI, useEffect } from "../kit/host.js";

// A part grows while answers of those above it come; the page stays at it for so long, or until somebody scrolls.
const SETTLES_MS = 8_000;
const HANDS = ["wheel", "touchmove", "keydown", "pointerdown"];

export function Sections({ sections }) {
  const [params] = Router.useSearchParams();
  const { key } = Router.useLocation();
  const chosen = params.get("section");
  useEffect(() => (sections.some(({ id }) => id === chosen) ? stayAt(chosen) : undefined), [chosen, key]);
  const to = (id) => {
    const after = new URLSearchParams(params);
    after.set("section", id);
    return `?${after}`;
  };
  return h(
    UI.HStack,
    { as: "nav", "aria-label": "Parts of this page", gap: 4, flexWrap: "wrap", fontSize: "sm" },
    sections.map(({ id, words }) =>
      h(UI.Link, { key: id, asChild: true, color: "fg.info" }, h(RouterLink, { to: to(id), "aria-current": id === chosen ? "location" : undefined }, words)),
    ),
  );
}

function stayAt(id) {
  const place = document.getElementById(id);
  if (!place) return undefined;
  const go = () => place.scrollIntoView({ block: "start" });
  const watch = new ResizeObserver(go);
  const stop = () => {
    watch.disconnect();
    clearTimeout(timer);
    for (const hand of HANDS) window.removeEventListener(hand, stop);
  };
  const timer = setTimeout(stop, SETTLES_MS);
  watch.observe(place.parentElement);
  for (const hand of HANDS) window.addEventListener(hand, stop, { passive: true });
  go();
  return stop;
}
