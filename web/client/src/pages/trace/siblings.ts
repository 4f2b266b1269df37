/** What did a stage emit beside the way that a trace shows? */

import { useQueries } from "@tanstack/react-query";
import { get } from "@/api/client";
import type { components } from "@/api/schema";
import { eventQuery } from "../event/eventQuery";
import type { RailResult, RailRow } from "./rail";

export type EffectCounts = components["schemas"]["EffectCountsResult"];

const MOST = 8; // causes whose effects are counted

/** The direct effects of the causes of a trace, by position; they come later than the trace. */
export function useEffectCounts(trace: RailResult): ReadonlyMap<string, EffectCounts> {
  const positions = trace.rows
    .filter((row) => row.kind === "stage" && row.is_cause && row.position)
    .map((row) => row.position ?? "")
    .slice(-MOST);
  const counted = useQueries({
    queries: positions.map((position) => ({
      queryKey: ["effects", trace.pipeline, position],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        get("/api/v1/events/effects", {
          query: eventQuery({ pipeline: trace.pipeline, event: position }),
          signal,
        }),
      staleTime: 60_000,
      retry: false,
    })),
  });
  return new Map(
    counted.flatMap(({ data }, index) => {
      const position = positions[index];
      return data && position ? [[position, data] as const] : [];
    }),
  );
}

/** The rows with how many events each cause had, and a fold for those beside the way. */
export function withSiblings(
  rows: readonly RailRow[],
  counts: ReadonlyMap<string, EffectCounts>,
): RailRow[] {
  return rows.flatMap((row, index) => {
    const found = row.kind === "stage" && row.is_cause ? counts.get(row.position ?? "") : undefined;
    if (!found) return [row];
    const own = found.counts.filter((count) => count.stage === row.stage);
    const emitted = own.reduce((total, count) => total + count.events, 0);
    const next = rows[index + 1];
    const folds = own
      .map((count) => ({
        ...count,
        events: count.events - (count.event_type === next?.event_type ? 1 : 0),
      }))
      .filter((count) => count.events > 0)
      .map((count) => foldRow(row, count.event_type, count.events, found.complete));
    return [{ ...row, emitted }, ...folds];
  });
}

function foldRow(row: RailRow, eventType: string, events: number, complete: boolean): RailRow {
  return {
    ...row,
    kind: "fold",
    level: row.level + 1,
    turns_off: true,
    event_type: eventType,
    events,
    at: null,
    dead: null,
    why: complete ? null : "at least",
  };
}
