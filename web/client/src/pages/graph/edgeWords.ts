/** Which words and figures stand at an edge? */

import { formatCount, formatDuration, formatRate } from "@/ui/format";
import type { EdgeFigures, GraphEdge, RunEdgeCounts, RunOverlay } from "./graphData";

export interface EdgeWords {
  /** Above the edge: what is most to be known; bold. */
  rate: string;
  inFlight: string;
  oldest: string;
}

const NONE: EdgeWords = { rate: "", inFlight: "", oldest: "" };

/** Rate, in flight and oldest age; what is unknown is empty. */
export function edgeWords(figures: EdgeFigures | undefined): EdgeWords {
  if (!figures) return NONE;
  const { in_flight: inFlight, oldest_seconds: oldest } = figures;
  return {
    rate: rateWords(figures),
    inFlight: inFlight ? `${formatCount(inFlight)} ${figures.exact ? "in flight" : "unread"}` : "",
    oldest: oldest != null && inFlight ? `oldest ${formatDuration(oldest * 1000)}` : "",
  };
}

/** `8 210/s`, or `8 171 → 4 062/s` where less is handled than comes. */
export function rateWords({ rate_in: comes, rate_out: goes }: EdgeFigures): string {
  if (comes == null && goes == null) return "";
  if (comes == null || goes == null || !differs(comes, goes)) return rate(comes ?? goes ?? 0);
  return `${formatRate(comes).replace("/s", "")} → ${formatRate(goes)}`;
}

/** What a run has on an edge; of an event that nobody reads, how many were emitted. */
export function countsOf(run: RunOverlay | undefined, edge: GraphEdge): RunEdgeCounts | undefined {
  const known = run?.edges[edge.id];
  const emitted = edge.target === null ? run?.leaves[edge.event] : undefined;
  if (known || emitted === undefined) return known;
  return { emitted, consumed: emitted, handled: emitted, in_flight: 0, parked: 0, dead: 0 };
}

/** A run over the graph: what was emitted, what of it is settled, in flight and dead. */
export function runWords(counts: RunEdgeCounts | undefined): EdgeWords {
  if (!counts) return NONE;
  const { emitted, in_flight: inFlight, dead } = counts;
  return {
    rate: formatCount(emitted),
    inFlight: inFlight ? `${formatCount(inFlight)} in flight` : "",
    oldest: dead ? `${formatCount(dead)} dead` : "",
  };
}

function rate(perSecond: number): string {
  return perSecond === 0 ? "" : formatRate(perSecond);
}

/** Rates of two windows are never equal to the last digit: a tenth is no trouble. */
function differs(comes: number, goes: number): boolean {
  return Math.abs(comes - goes) > Math.max(comes, goes) * 0.1 && Math.max(comes, goes) > 0.1;
}
