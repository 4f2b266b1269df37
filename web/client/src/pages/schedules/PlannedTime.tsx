/** For when was it planned? Without seconds, where it has none. */

import { useNow } from "@/preferences/clock";
import { usePreferences } from "@/preferences/preferences";
import { dateFormat } from "@/ui/dateFormat";
import { epochMs, formatBoth, formatDay, formatTime, type Zone } from "@/ui/format";

/** `01:30` today, `Thu 01:30` within six days, `Mon 30 Nov 05:00` else. */
export function plannedText(at: number, zone: Zone, now: number): string {
  const time = plannedClock(at, zone);
  if (formatDay(at, zone) === formatDay(now, zone)) return time;
  return `${plannedDay(at, zone, now)} ${time}`;
}

/** `Thu 26 Nov`; within six days and if asked so `Thu`; another year is named. */
export function plannedDay(at: number, zone: Zone, now: number, short = true): string {
  const isNear = short && Math.abs(at - now) < 6 * 86_400_000;
  const year = formatDay(at, zone).slice(0, 4) !== formatDay(now, zone).slice(0, 4);
  return dateFormat("en-GB", zone, {
    weekday: "short",
    ...(isNear ? {} : { day: "numeric", month: "short" }),
    ...(year && !isNear ? { year: "numeric" } : {}),
  })
    .format(at)
    .replace(",", "");
}

/** `01:30`, or `01:30:05`. */
export function plannedClock(at: number, zone: Zone): string {
  const time = formatTime(at, zone);
  return time.endsWith(":00") ? time.slice(0, -3) : time;
}

/** A planned time, with both zones in its tooltip; `dated`: with its day, also if that is today. */
export function PlannedTime({ at, dated = false }: { at: number | string; dated?: boolean }) {
  const { zone } = usePreferences();
  const now = useNow();
  const ms = epochMs(at);
  return (
    <time className="figure" dateTime={new Date(ms).toISOString()} title={formatBoth(ms)}>
      {dated
        ? `${plannedDay(ms, zone, now, false)} ${plannedClock(ms, zone)}`
        : plannedText(ms, zone, now)}
    </time>
  );
}
