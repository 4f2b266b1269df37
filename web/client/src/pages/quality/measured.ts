/** How is a number about a run written, and how far is it from what was expected? */

import { formatCount, formatDuration } from "@/ui/format";
import type { Anomaly } from "./queries";

/** Kinds of measurements that are shares, and those that are seconds (events/measurement_format.py). */
const SHARES = new Set(["dead share", "null share", "top-value share", "failing share"]);
const SPANS = new Set(["duration", "age", "silence"]);

/** `5 000`, `0.39 %` or `3 min 05 s`, by the kind of the measurement. */
export function measuredText(kind: string, value: number): string {
  if (SHARES.has(kind)) return `${(100 * value).toFixed(2)} %`;
  return SPANS.has(kind) ? formatDuration(1000 * value, true) : figure(value);
}

/** A number of at most six digits that count; nothing for one that is not known. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined) return "";
  if (Number.isInteger(value) && Math.abs(value) < 1e12) return formatCount(value);
  return String(Number(value.toPrecision(6)));
}

type Measured = Pick<Anomaly, "kind" | "value" | "expected" | "score">;

/** `5.2 usual deviations above the expected 1 000, 5 times as much`. */
export function deviationText({ kind, value, expected, score }: Measured): string {
  const side = score > 0 ? "above" : "below";
  const away = `${figure(Number(Math.abs(score).toFixed(1)))} usual deviations ${side} the expected`;
  const text = `${away} ${measuredText(kind, expected)}`;
  if (value <= 0 || expected <= 0 || SHARES.has(kind)) return text;
  return `${text}, ${figure(Number((value / expected).toFixed(2)))} times as much`;
}

/** What the number is about: `rows of line.validated`, `seconds of the run`. */
export function numberName(of: Pick<Anomaly, "edge" | "column" | "statistic">): string {
  return `${of.statistic} of ${[of.edge, of.column].filter(Boolean).join(" ") || "the run"}`;
}

/** True if it is that a feed should have come. */
export function isSilence(anomaly: Pick<Anomaly, "run" | "window">): boolean {
  return anomaly.run === null && anomaly.window === null;
}
