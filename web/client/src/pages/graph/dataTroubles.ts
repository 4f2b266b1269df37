/** What is wrong with the data of a pipeline's events? */

import { useMemo } from "react";
import type { Trouble } from "@/live/needs";
import { troubleOf } from "@/live/troubleOf";
import { useLive } from "@/live/useLive";
import type { AttentionItem } from "@/live/views";

/** By event type, the worst that its checks and its usual numbers say. */
export type DataTroubles = ReadonlyMap<string, Trouble>;

/** The troubles of events, as the stream tells them. */
export function useDataTroubles(pipeline: string): DataTroubles {
  const items = useLive<AttentionItem>("attention");
  return useMemo(() => dataTroublesOf([...(items?.values() ?? [])], pipeline), [items, pipeline]);
}

export function dataTroublesOf(items: readonly AttentionItem[], pipeline: string): DataTroubles {
  const found = new Map<string, Trouble>();
  const urgent = [...items].sort((one, other) => one.place - other.place);
  for (const item of urgent)
    if (item.page === "quality" && item.pipeline === pipeline && item.event)
      if (!found.has(item.event)) found.set(item.event, troubleOf(item));
  return found;
}
