/** Where does a planned time stand in the strip of a day, a week or a month? Pure geometry. */

import { dateFormat } from "@/ui/dateFormat";
import type { Zone } from "@/ui/format";
import type { Days, Mark } from "./queries";

export type RangeName = "day" | "week" | "month";

/** Days that are shown, with a line and a word where each part begins. */
export interface Range {
  name: RangeName;
  /** Milliseconds of the epoch. */
  start: number;
  end: number;
  ticks: { at: number; word: string; short: string; now: boolean }[];
  /** `23 to 29 Nov 2026` */
  title: string;
}

const DAY = 86_400_000;

/** The day, week (from Monday) or month around a moment, in a zone. */
export function rangeAround(name: RangeName, at: number, zone: Zone, now: number): Range {
  const today = midnight(at, zone, 0);
  if (name === "day") {
    const end = midnight(today, zone, 1);
    const ticks = [0, 4, 8, 12, 16, 20].map((hour) => {
      const moment = hourOf(today, zone, hour);
      const word = `${String(hour).padStart(2, "0")}:00`;
      return { at: moment, word, short: word, now: now >= moment && now < moment + DAY / 6 };
    });
    return { name, start: today, end, ticks, title: words(today, zone, DAY_WORDS) };
  }
  const weekday = (new Date(shifted(today, zone)).getUTCDay() + 6) % 7;
  const start = name === "week" ? midnight(today, zone, -weekday) : monthStart(today, zone, 0);
  const end = name === "week" ? midnight(start, zone, 7) : monthStart(today, zone, 1);
  const ticks: Range["ticks"] = [];
  const step = name === "week" ? 1 : 7;
  for (let day = start; day < end; day = midnight(day, zone, step)) {
    const next = midnight(day, zone, step);
    ticks.push({
      at: day,
      word: words(day, zone, name === "week" ? { weekday: "short", day: "numeric" } : MONTH_DAY),
      short: words(day, zone, name === "week" ? { weekday: "short" } : { day: "numeric" }),
      now: now >= day && now < next,
    });
  }
  const last = midnight(end, zone, -1);
  const title =
    name === "month"
      ? words(start, zone, { month: "long", year: "numeric" })
      : `${words(start, zone, sameMonth(start, last, zone) ? { day: "numeric" } : MONTH_DAY)} to ${words(last, zone, DAY_WORDS)}`;
  return { name, start, end, ticks, title };
}

/** The range before (-1) or after (1). */
export function rangeBeside(range: Range, step: -1 | 1, zone: Zone, now: number): Range {
  const at = step < 0 ? range.start - DAY / 2 : range.end + DAY / 2;
  return rangeAround(range.name, at, zone, now);
}

/** From moments to the x of a picture of so many px, cut at its edges. */
export function scale(range: Range, width: number): (at: number) => number {
  const span = range.end - range.start;
  return (at) =>
    Math.round(10 * Math.min(width, Math.max(0, ((at - range.start) / span) * width))) / 10;
}

export type Shape =
  | { kind: "bar"; x: number; from?: number; mark: Mark }
  | { kind: "plan"; x: number; mark: Mark }
  | { kind: "icon"; x: number; icon: MarkIcon; tone: string; size: number; mark: Mark };

export type MarkIcon = "running" | "failed" | "cancelled" | "missed" | "excluded" | "held" | "late";

const ICONS: Partial<Record<Mark["state"], { icon: MarkIcon; tone: string; size: number }>> = {
  running: { icon: "running", tone: "s-flight", size: 13 },
  failed: { icon: "failed", tone: "s-dead", size: 13 },
  skipped: { icon: "cancelled", tone: "s-quiet", size: 11 },
  merged: { icon: "cancelled", tone: "s-quiet", size: 9 },
  missed: { icon: "missed", tone: "s-late", size: 13 },
  excluded: { icon: "excluded", tone: "s-quiet", size: 10 },
  waiting: { icon: "held", tone: "s-wait", size: 13 },
  overdue: { icon: "late", tone: "s-late", size: 13 },
};

/** The shapes of a schedule's marks; a late firing stands where it fired, with a line from its time. */
export function shapes(marks: readonly Mark[], place: (at: number) => number): Shape[] {
  return marks.map((mark) => {
    const planned = place(Date.parse(mark.planned));
    const icon = ICONS[mark.state];
    if (icon) return { kind: "icon", x: planned, ...icon, mark };
    if (mark.state === "planned") return { kind: "plan", x: planned, mark };
    const fired = mark.at ? place(Date.parse(mark.at)) : planned;
    if (mark.state === "late" && fired - planned > 4)
      return { kind: "bar", x: fired, from: planned, mark };
    return { kind: "bar", x: mark.state === "again" ? fired : planned, mark };
  });
}

/** A gate with dots: from when and until when a schedule is paused; undefined if it is not in range. */
export function pausedSpan(
  pause: { since: string | null; until: string | null } | null,
  range: Range,
  now: number,
): { from: number; to: number; gate: boolean } | undefined {
  if (!pause) return undefined;
  const since = pause.since === null ? range.start : Date.parse(pause.since);
  const until = pause.until === null ? range.end : Date.parse(pause.until);
  if (since >= range.end || until <= range.start || until <= now) return undefined;
  return {
    from: Math.max(since, range.start),
    to: Math.min(until, range.end),
    gate: since >= range.start,
  };
}

/** What a strip shows, for who cannot see it: `3 fired, 1 skipped, 4 planned; paused`. */
export function stripText(days: Days | undefined, paused: boolean): string {
  const parts = Object.entries(days?.counts ?? {}).map(([state, count]) => `${count} ${state}`);
  const more = days?.bands.some((band) => band.count === null) ? ["many planned"] : [];
  const text = [...parts, ...more].join(", ") || "nothing planned";
  return paused ? `${text}; paused` : text;
}

const DAY_WORDS: Intl.DateTimeFormatOptions = { day: "numeric", month: "short", year: "numeric" };
const MONTH_DAY: Intl.DateTimeFormatOptions = { day: "numeric", month: "short" };

function words(at: number, zone: Zone, options: Intl.DateTimeFormatOptions): string {
  return dateFormat("en-GB", zone, options).format(at).replace(",", "");
}

function sameMonth(one: number, other: number, zone: Zone): boolean {
  const month = { month: "short", year: "numeric" } as const;
  return words(one, zone, month) === words(other, zone, month);
}

/** The date's fields in a zone, as if they were UTC. */
function shifted(at: number, zone: Zone): number {
  const date = new Date(at);
  if (zone === "UTC") return at;
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate(), date.getHours());
}

/** The beginning of the day of a moment, or of one some days later. */
function midnight(at: number, zone: Zone, days: number): number {
  const date = new Date(at);
  if (zone === "UTC")
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + days);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days).getTime();
}

function monthStart(at: number, zone: Zone, months: number): number {
  const date = new Date(at);
  if (zone === "UTC") return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months);
  return new Date(date.getFullYear(), date.getMonth() + months).getTime();
}

function hourOf(day: number, zone: Zone, hour: number): number {
  if (zone === "UTC") return day + hour * 3_600_000;
  const date = new Date(day);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate(), hour).getTime();
}
