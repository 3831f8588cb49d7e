// How moments, durations, numbers and shares are written. Everything takes null and answers with a dash.
//
//   moment(at, { year, time })   "12 Nov 09:14"; { year: true } "12 Nov 2013 09:14"; { time: false } "12 Nov". As the
//                                model's clock reads it, never shifted to the zone of the reader; ISO text, Date or ms
//   dated(at)                    "12 Nov 09:14", with its year where that is not the clock's: for a moment on its own
//   span(from, to)               "1 Mar 2013 to 4 Jun 2013"; once only what is equal in both
//   ago(at, now)                 "12 min ago", "in 48 min", "just now"; against the clock unless `now` is given
//   duration(seconds)            "3.1 ms", "40 s", "12 min", "5 h", "9 d": the one unit that matters
//   number(value, { unit, signed, digits = 3 })   significant digits: "0.721", "6,120"; signed "+0.019"; unit "3.1 ms"
//   share(part)                  0.92 -> "92 %"; never "100 %" or "0 %" for what is only near it
//   sentence(text)               first letter large, "_" as a blank: "not enough labels" -> "Not enough labels"
//   capital(text)                only the first letter large: for sentences, whose names of columns stay as they are
//   version(7)                   "v7"
//   plural(2, "retrain")         "2 retrains"; a third argument is the plural where it is not with an s
//   when(at)                     milliseconds of `at`, null where there is none: for charts and sorting

const NONE = "—";
const MINUS = "−";
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SPANS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
  [0.001, "ms"],
];

export function when(at) {
  if (at === null || at === undefined || at === "") return null;
  // Text without a zone is the model's time too.
  const zoned = typeof at !== "string" || /(?:[zZ]|[+-]\d\d:?\d\d)$/.test(at) || !at.includes("T") ? at : `${at}Z`;
  const milliseconds = zoned instanceof Date ? zoned.getTime() : new Date(zoned).getTime();
  return Number.isNaN(milliseconds) ? null : milliseconds;
}

export function moment(at, { year = false, time = true } = {}) {
  const milliseconds = when(at);
  if (milliseconds === null) return NONE;
  const date = new Date(milliseconds);
  const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}${year ? ` ${date.getUTCFullYear()}` : ""}`;
  return time ? `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}` : day;
}

export function dated(at) {
  const year = when(at) !== null && new Date(when(at)).getUTCFullYear() !== new Date().getUTCFullYear();
  return moment(at, { year });
}

export function month(at, { year = false } = {}) {
  const date = new Date(when(at));
  return year ? `${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}` : MONTHS[date.getUTCMonth()];
}

export function span(from, to) {
  const [first, last] = [from, to].map((at) => new Date(when(at)));
  if (last - first < 86_400_000) return `${moment(first, { year: true })} to ${moment(last)}`;
  const year = first.getUTCFullYear() !== last.getUTCFullYear();
  return `${moment(first, { year, time: false })} to ${moment(last, { year: true, time: false })}`;
}

export function ago(at, now = Date.now()) {
  const milliseconds = when(at);
  if (milliseconds === null) return NONE;
  const seconds = (when(now) - milliseconds) / 1_000;
  if (Math.abs(seconds) < 5) return "just now";
  return seconds > 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
}

export function duration(seconds) {
  if (!isNumber(seconds)) return NONE;
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  // From two of a unit on: "36 h" says more than "1 d" or "2 d" would.
  const [length, unit] = SPANS.find(([each]) => size >= (each > 1 ? 2 : 1) * each) ?? SPANS.at(-1);
  const count = size / length;
  return `${seconds < 0 ? MINUS : ""}${length > 1 ? Math.round(count) : number(count, { digits: 2 })} ${unit}`;
}

export function number(value, { unit = "", signed = false, digits = 3 } = {}) {
  if (!isNumber(value)) return NONE;
  const sign = value < 0 ? MINUS : signed && value > 0 ? "+" : "";
  return `${sign}${plain(Math.abs(value), digits)}${unit ? ` ${unit}` : ""}`;
}

function plain(size, digits) {
  if (size === 0) return "0";
  if (size >= 1e7) return grouped(size / 1e6, digits) + " M";
  if (Number.isInteger(size) || size >= 10 ** digits) return Math.round(size).toLocaleString("en-GB");
  if (size < 1e-4) return size.toExponential(Math.max(digits - 2, 0)).replace("e-", "e−");
  return grouped(size, digits);
}

function grouped(size, digits) {
  const least = Math.min(2, digits);
  return size.toLocaleString("en-GB", { maximumSignificantDigits: digits, minimumSignificantDigits: least });
}

export function share(part) {
  if (!isNumber(part)) return NONE;
  const percent = part * 100;
  const size = Math.abs(percent);
  if (size > 0 && size < 0.05) return "< 0.1 %";
  if (size > 99.95 && size < 100) return "> 99.9 %";
  const isNear = size < 1 || (size > 99 && size < 100);
  const shown = isNear ? Math.round(size * 10) / 10 : Math.round(size);
  return `${percent < 0 ? MINUS : ""}${shown.toLocaleString("en-GB")} %`;
}

export function sentence(text) {
  if (!text) return NONE;
  return capital(String(text).replaceAll("_", " "));
}

// A version that answers together with others. One that never served by itself has no number: when it was trained tells
// it apart better than its id.
export function member({ version: own, model_id: id, weight, trained_at: at }) {
  const name = own ? version(own) : `model ${id}`;
  return `${name}${at ? `, trained ${moment(at, { year: true })}` : ""}: ${share(weight)}`;
}

// Not "v7 ...", "dep_hour ..." nor "ledger.db ...": names are written as they are.
export const capital = (text) => (/^[a-z]+(?!\w|\.\w)/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text);

export const version = (name) => (name === null || name === undefined || name === "" ? NONE : `v${name}`);

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

const two = (count) => String(count).padStart(2, "0");
