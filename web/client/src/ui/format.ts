/** How are counts, rates, durations and moments written? */

import { dateFormat } from "./dateFormat";

/** A thin no-break space between thousands; what is copied is without it (see copyPlainCounts). */
export const THIN = "\u202f";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** An exact count: `1 211 185`. */
export function formatCount(value: number | bigint): string {
  const sign = value < 0 ? "−" : "";
  const digits = String(value < 0 ? -value : value);
  return sign + digits.replace(/\B(?=(\d{3})+$)/g, THIN);
}

/** A count with its noun: `1 event`, `1 211 185 events`, `2 are open` by both words. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${formatCount(value)} ${value === 1 ? one : many}`;
}

/** A rate with its unit: `8 210/s`; one decimal below ten, two below one. */
export function formatRate(perSecond: number): string {
  return `${formatPerSecond(perSecond)}/s`;
}

/** A rate where its unit stands elsewhere: `8 210`, `4.2`, `0.07`, `< 0.01`. */
export function formatPerSecond(perSecond: number): string {
  if (perSecond === 0) return "0";
  if (perSecond < 0.005) return "< 0.01";
  if (perSecond < 0.995) return String(Number(perSecond.toFixed(2)));
  return perSecond < 9.95 ? perSecond.toFixed(1) : formatCount(Math.round(perSecond));
}

/** Milliseconds in words of at most two units: `4.8 s`, `25 s`, `1 min 16 s`, `3 h 05 min`, `2 d 4 h`. One
 * decimal below ten seconds; `exact`: below a minute, for what has ended (`25.1 s`). */
export function formatDuration(ms: number, exact = false): string {
  if (ms < 0) return `−${formatDuration(-ms, exact)}`;
  if (ms < (exact ? 59_950 : 9950)) return `${(ms / SECOND).toFixed(1)} s`;
  const seconds = Math.round(ms / SECOND);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return inUnits(Math.floor(seconds / 60), "min", seconds % 60, "s");
  const minutes = Math.round(ms / MINUTE);
  if (minutes < 24 * 60) return inUnits(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(ms / HOUR);
  const rest = hours % 24;
  return rest === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${rest} h`;
}

/** `1 min 03 s`; `2 min` where the smaller unit is 0. */
function inUnits(large: number, unit: string, small: number, smaller: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${pad(small)} ${smaller}`;
}

/** A share of a whole with two digits: `0.39 %`; empty where the whole is 0. */
export function formatShare(part: number, whole: number): string {
  return whole === 0 ? "" : `${((100 * part) / whole).toFixed(2)} %`;
}

/** Bytes: `812 B`, `1.4 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${formatCount(bytes)} B` : `${size.toFixed(1)} ${units[unit]}`;
}

/** An id cut in its middle: `k7mq2…x3aa`; one of at most 12 characters stays whole. */
export function cutMiddle(id: string, head = 5, tail = 4): string {
  return id.length <= head + tail + 3 ? id : `${id.slice(0, head)}…${id.slice(-tail)}`;
}

export type Zone = "UTC" | "local";

const TIME: Intl.DateTimeFormatOptions = { timeStyle: "medium" };
const DAY: Intl.DateTimeFormatOptions = { year: "numeric", month: "2-digit", day: "2-digit" };
const DAY_IN_WORDS: Intl.DateTimeFormatOptions = {
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
};

/** Milliseconds of the epoch or an ISO text as milliseconds; NaN for what is no moment. */
export function epochMs(at: number | string): number {
  return typeof at === "number" ? at : Date.parse(at);
}

/** The time of day, with the day where it is not that of `now`: `14:31:05`, `Fri 13 Nov 14:31:05`. */
export function formatMoment(at: number, zone: Zone, now: number): string {
  const time = formatTime(at, zone);
  return formatDay(at, zone) === formatDay(now, zone) ? time : `${shortDay(at, zone, now)} ${time}`;
}

/** Hours, minutes and seconds: `14:31:05`. */
export function formatTime(at: number, zone: Zone): string {
  return dateFormat("en-GB", zone, TIME).format(at);
}

/** The date as `2026-11-30`. */
export function formatDay(at: number, zone: Zone): string {
  return dateFormat("en-CA", zone, DAY).format(at);
}

/** Both times and the date, for a tooltip. */
export function formatBoth(at: number): string {
  const utc = `${formatDay(at, "UTC")} ${formatTime(at, "UTC")} UTC`;
  const local = `${formatDay(at, "local")} ${formatTime(at, "local")} ${localZoneName()}`;
  return `${utc}\n${local}`;
}

/** The name of the browser's time zone: `Europe/Berlin`. */
export function localZoneName(): string {
  return dateFormat("en-GB", "local").resolvedOptions().timeZone;
}

function shortDay(at: number, zone: Zone, now: number): string {
  const parts = dateFormat("en-GB", zone, DAY_IN_WORDS).formatToParts(at);
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? "";
  const year = formatDay(now, zone).slice(0, 4) === part("year") ? "" : ` ${part("year")}`;
  return `${part("weekday")} ${part("day")} ${part("month")}${year}`;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
