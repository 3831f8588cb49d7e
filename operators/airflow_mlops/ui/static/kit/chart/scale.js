// From values and moments to pixels, and where the ticks stand.
import { moment, month } from "../format.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const STEPS = [HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY];
const MONTH_STEPS = [1, 2, 3, 6, 12, 24, 60, 120];

export function linear([low, high], [from, to]) {
  const length = high - low || 1;
  return (value) => from + ((value - low) / length) * (to - from);
}

// The least and the greatest of what is there; null when nothing is.
export function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (typeof value !== "number" || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

// Room above and below, so that no line runs along an edge; a flat line gets a range of its own size.
export function padded([low, high], part = 0.08) {
  const room = (high - low || Math.abs(high) * 0.1 || 1) * part;
  return [low - room, high + room];
}

export function valueTicks([low, high], count) {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? rough;
  const ticks = [];
  // Multiplied, not added up: a sum of tenths ends in 0.30000000000000004.
  for (let each = Math.ceil(low / step); each * step <= high; each += 1) {
    ticks.push(Number((each * step).toPrecision(12)));
  }
  return ticks;
}

// Ticks at whole hours, days or months, each with its label; the year stands at its January, or at the first tick.
export function timeTicks([from, to], count) {
  const rough = (to - from) / Math.max(count, 1);
  const step = STEPS.find((each) => each >= rough);
  return step ? evenTicks(from, to, step) : monthTicks(from, to, rough);
}

function evenTicks(from, to, step) {
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    const isHour = step < DAY && at % DAY !== 0;
    const label = isHour ? moment(at).slice(-5) : moment(at, { time: false, year: !ticks.length && step >= DAY });
    ticks.push({ at, label });
  }
  return ticks;
}

function monthTicks(from, to, rough) {
  const step = MONTH_STEPS.find((each) => each * 30 * DAY >= rough) ?? MONTH_STEPS.at(-1);
  const first = new Date(from);
  const start = first.getUTCFullYear() * 12 + first.getUTCMonth();
  const ticks = [];
  for (let each = Math.floor(start / step) * step; ; each += step) {
    const at = Date.UTC(Math.floor(each / 12), each % 12, 1);
    if (at > to) return ticks;
    if (at < from) continue;
    const label = each % 12 === 0 ? String(Math.floor(each / 12)) : month(at, { year: !ticks.length });
    ticks.push({ at, label });
  }
}
