// Which rows of how many, and the way to the others.
import { h, UI } from "../kit/host.js";
import { number } from "../kit/format.js";
import { SIZES } from "./query.js";

// `shown` is the query that the rows answer, which may still be the one before.
export function Paging({ query, shown, change, total }) {
  const first = (shown.page - 1) * shown.size + 1;
  const last = Math.min(shown.page * shown.size, total);
  if (total <= SIZES[0]) return null;
  const onSize = (event) => change({ size: Number(event.target.value) });
  const button = (name, page, isOff) =>
    h(UI.Button, { size: "sm", variant: "outline", disabled: isOff, onClick: () => change({ page }) }, name);
  return h(
    UI.HStack,
    { as: "nav", "aria-label": "Pages", justify: "space-between", flexWrap: "wrap", gap: 3, mt: 4 },
    h(UI.Text, { color: "fg.muted", fontSize: "sm" }, `${number(first)} to ${number(last)} of ${number(total)}`),
    h(
      UI.HStack,
      { gap: 2 },
      h(
        UI.NativeSelect.Root,
        { size: "sm", w: "auto" },
        h(
          UI.NativeSelect.Field,
          { "aria-label": "Rows a page", value: query.size, onChange: onSize },
          SIZES.map((size) => h("option", { key: size, value: size }, `${size} a page`)),
        ),
        h(UI.NativeSelect.Indicator),
      ),
      button("Previous", query.page - 1, query.page <= 1),
      button("Next", query.page + 1, query.page * query.size >= total),
    ),
  );
}
