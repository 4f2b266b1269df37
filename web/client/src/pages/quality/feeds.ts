/** Which feed needs somebody most, and how is its score written? */

import type { Anomaly, Feed, Point } from "./queries";

/** The newest run or window of a feed. */
export function newest(feed: Feed): Point | undefined {
  return feed.points.at(-1);
}

/** Feeds by what is wrong: failed checks, then warned ones, then what is unusual about them, then the
 * lowest score; by name at last. */
export function worstFirst(feeds: readonly Feed[], anomalies: readonly Anomaly[] = []): Feed[] {
  const rank = (feed: Feed): number[] => {
    const verdicts = newest(feed)?.verdicts ?? {};
    const unusual = openAnomalies(feed, anomalies);
    return [-(verdicts["failed"] ?? 0), -(verdicts["warned"] ?? 0), -unusual, feed.score ?? 1];
  };
  return [...feeds].sort((one, other) => {
    const [a, b] = [rank(one), rank(other)];
    const differs = a.findIndex((value, at) => value !== b[at]);
    if (differs < 0) return one.event.localeCompare(other.event);
    return (a[differs] ?? 0) - (b[differs] ?? 0);
  });
}

/** How many things about the feed itself are unusual and neither over nor taken as normal. */
export function openAnomalies(feed: Pick<Feed, "event">, anomalies: readonly Anomaly[]): number {
  return anomalies.filter((one) => one.state === "open" && one.edge && isAbout(one, feed)).length;
}

/** A share as `98.61 %`; it says 100 % only where nothing is missing. */
export function percent(share: number): string {
  if (share === 1) return "100 %";
  return `${Math.min(99.99, 100 * share).toFixed(2)} %`;
}

/** Whether what was unusual is about a feed, or about the run as a whole. */
export function isAbout(anomaly: Pick<Anomaly, "edge">, feed: Pick<Feed, "event">): boolean {
  const event = anomaly.edge.split(">")[0];
  return event === "" || event === feed.event;
}

/** The share of rows that come again is no better known than that. */
const REPEATED_SEEN = 0.02;

/** What is said of rows that are like another one, after what is said of all rows. */
export function repeatedText(share: number | null): string {
  if (share === null) return "";
  if (share < REPEATED_SEEN) return "; fewer than 2 % of them come again";
  return `; about ${Math.round(100 * share)} % of them come again, byte for byte`;
}
