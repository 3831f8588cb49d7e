// What serves, since when and why, and what may be done.
import { h, UI } from "../kit/host.js";

export function Head({ head }) {
  const { serving } = head;
  return h(
    UI.Box,
    null,
    h(UI.Heading, { as: "h1", size: "lg" }, head.name),
    h(
      UI.Text,
      { color: "fg.muted" },
      serving ? `version ${serving.version} serves since ${serving.since}` : "Nothing serves yet.",
    ),
  );
}
