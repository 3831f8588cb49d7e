// A part of a model's page: a heading that screen readers find, and a box.
import { h, UI, useId } from "./host.js";

export function Card({ title, aside, children, ...rest }) {
  const id = useId();
  return h(
    UI.Box,
    { as: "section", "aria-labelledby": id, borderWidth: "1px", borderRadius: "md", p: 4, minW: 0, ...rest },
    h(
      UI.HStack,
      { justify: "space-between", align: "baseline", mb: 3, flexWrap: "wrap" },
      h(UI.Heading, { id, as: "h2", size: "sm" }, title),
      aside,
    ),
    children,
  );
}
