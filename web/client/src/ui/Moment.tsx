/** When was it? In UTC or local time, by the switch in the top bar. */

import { useToday } from "@/preferences/clock";
import { usePreferences } from "@/preferences/preferences";
import { epochMs, formatBoth, formatDay, formatMoment, formatTime } from "./format";

interface MomentProps {
  /** Milliseconds of the epoch or an ISO text; unknown is left empty. */
  at: number | string | null | undefined;
  /** `auto` adds the day where it is not today's. */
  show?: "auto" | "time" | "day";
}

/** A moment; the tooltip has both times and the date. */
export function Moment({ at, show = "auto" }: MomentProps) {
  const { zone } = usePreferences();
  const today = useToday();
  if (at === null || at === undefined) return null;
  const ms = epochMs(at);
  if (Number.isNaN(ms)) return <span>{String(at)}</span>;
  const text =
    show === "time"
      ? formatTime(ms, zone)
      : show === "day"
        ? formatDay(ms, zone)
        : formatMoment(ms, zone, today);
  return (
    <time dateTime={new Date(ms).toISOString()} title={formatBoth(ms)} className="figure">
      {text}
    </time>
  );
}

/** `UTC` or `local`, for the head of a column of moments. */
export function ZoneWord() {
  return <>{usePreferences().zone}</>;
}
