/** Which event is asked for, and what is known of it? */

import { useQuery } from "@tanstack/react-query";
import { get } from "@/api/client";
import type { components } from "@/api/schema";

export type EventResult = components["schemas"]["EventResult"];
export type ShownData = components["schemas"]["ShownData"];

export interface AskedEvent {
  /** Undefined for that of the folder. */
  pipeline: string | undefined;
  /** Its id or its position. */
  event: string;
  reveal?: boolean;
}

/** What the API is asked with. */
export function eventQuery({ pipeline, event, reveal = false }: AskedEvent) {
  return { event, ...(pipeline ? { pipeline } : {}), ...(reveal ? { reveal } : {}) };
}

/** An event; what was written once does not change. */
export function useEvent(asked: AskedEvent, enabled = true) {
  return useQuery({
    queryKey: ["event", asked.pipeline, asked.event, asked.reveal ?? false],
    queryFn: ({ signal }) => get("/api/v1/events/one", { query: eventQuery(asked), signal }),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: asked.reveal ? 0 : 300_000, // what is personal is not kept
    meta: { isRecorded: asked.reveal ?? false },
    enabled,
    retry: false,
  });
}

/** The position of an event: `line.read/3/17`. */
export function positionOf(event: EventResult): string {
  return `${event.event_type}/${event.partition}/${event.offset}`;
}
