/** How far back may the address of a page ask? */

const HOUR = 3_600_000;

/** By what the address says: in a menu, in a sentence, and in milliseconds. */
export const periods: Record<string, { label: string; words: string; ms: number }> = {
  "1h": { label: "Last hour", words: "in the last hour", ms: HOUR },
  "24h": { label: "Last 24 hours", words: "in 24 hours", ms: 24 * HOUR },
  "7d": { label: "Last 7 days", words: "in 7 days", ms: 168 * HOUR },
  "30d": { label: "Last 30 days", words: "in 30 days", ms: 720 * HOUR },
};

/** Since when the address asks at `now`, both in ms of the epoch; undefined for ever. To the minute,
 * else each look would be another question. */
export function sinceOf(period: string | undefined, now: number): number | undefined {
  const ms = periods[period ?? ""]?.ms;
  return ms === undefined ? undefined : Math.floor((now - ms) / 60_000) * 60_000;
}
