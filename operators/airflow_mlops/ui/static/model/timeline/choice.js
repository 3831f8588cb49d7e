// One of a few, as a row of buttons.
import { h, UI } from "../../kit/host.js";

export function Choice({ label, options, value, onChange }) {
  if (options.length < 2) return null;
  return h(
    UI.HStack,
    { role: "group", "aria-label": label, gap: 1 },
    options.map(([name, words]) =>
      h(
        UI.Button,
        {
          key: name,
          size: "xs",
          variant: name === value ? "subtle" : "ghost",
          "aria-pressed": name === value,
          onClick: () => onChange(name),
        },
        words,
      ),
    ),
  );
}
