// A share as a bar: label maturity, what is left of an error budget. Its words stand below, so colour is never alone.
import { h, UI } from "../host.js";
import { isNumber, share as written } from "../format.js";

export function Meter({ label, share, color = "gray", text, width = "80px", height = "6px", ...rest }) {
  if (!isNumber(share)) return h(UI.Text, { color: "fg.muted", ...rest }, text ?? "—");
  const filled = Math.min(Math.max(share, 0), 1) * 100;
  const words = text ?? written(share);
  return h(
    UI.Box,
    { minW: 0, ...rest },
    h(
      UI.Box,
      {
        role: "meter",
        "aria-label": label,
        "aria-valuemin": 0,
        "aria-valuemax": 100,
        "aria-valuenow": Math.round(filled),
        "aria-valuetext": words,
        w: width,
        maxW: "100%",
        h: height,
        // Nothing left still shows its colour.
        bg: filled === 0 && color !== "gray" ? `${color}.emphasized` : "bg.emphasized",
        borderRadius: "full",
        overflow: "hidden",
      },
      h(UI.Box, { h: "100%", bg: `${color}.solid`, style: { width: `${filled}%` } }),
    ),
    h(UI.Text, { fontSize: "xs", color: "fg.muted", mt: 1, "aria-hidden": true }, words),
  );
}
