// Charts of the pages: inline SVG as wide as its box, in the theme's colours, with their numbers in their names.
// `at`, `from`, `to` are ISO texts, Dates or milliseconds; a value that is null is a gap. No chart moves by itself.
//
//   Sparkline({ label, points: [{ at, value }], limit, marks: [{ at, label }], format, height = 28, w })
//       A curve as small as a word; the limit dashed, retrains as ticks. Nothing when there is no value. `w` as Box's.
//   LineChart({ label, series: [{ name, points: [{ at, value, low, high, note }], color, dashed }], format, unit,
//               height = 220, limit: { value, label } or a list, bands: [{ from, to, label, color }],
//               marks: [{ at, label, color }], versions: [{ from, to, label, color }], from, to, range: [low, high], left })
//       Bands are shaded, marks upright lines, versions a strip below (their colour is a palette: "red"); a band or
//       version without `to` lasts. `color` elsewhere is a token: "red.solid". `low`, `high` shade an interval. A
//       legend from two series on. Several series share one unit: draw two charts for two units.
//   Bars({ label, bins: [{ label, reference, current }], names, format = share, color, height = 64 })
//       Two histograms on one axis, by default called "reference" and "current"; leave `reference` out for one alone.
//       Give shares: both sides have other counts of rows.
//   Meter({ label, share, text, color = "gray", width })
//       A share in [0, 1] as a bar with its words below; `color` is a palette: "gray", "green", "orange", "red".
//   token("fg.muted")
//       A colour of the theme for your own SVG.
//
// All are role="img" (Meter: "meter") named by `label` and their numbers. Mouse and keyboard (arrows, Home, End, Esc)
// read single values out; a sparkline takes no focus, since a list of them would be endless for the Tab key.
export { Bars } from "./chart/bars.js";
export { token } from "./chart/figure.js";
export { LineChart } from "./chart/line.js";
export { Meter } from "./chart/meter.js";
export { Sparkline } from "./chart/sparkline.js";
