/** What does the API say of a run? */

import type { components } from "@/api/schema";
import type { StateName } from "@/ui/State";

export type RunBalance = components["schemas"]["RunBalance"];
export type EdgeBalance = components["schemas"]["EdgeBalance"];
export type StageBalance = components["schemas"]["StageBalance"];
export type StageWait = components["schemas"]["StageWait"];
export type Timeline = components["schemas"]["TimelineResult"];

/** The outcomes of events that leave the run here, and those that are in flight. */
export const ENDED = ["dropped", "filtered", "dead", "cancelled"] as const;
export const WENT_ON = ["handled", "bypassed"] as const;
export type Part =
  | (typeof ENDED)[number]
  | (typeof WENT_ON)[number]
  | "parked"
  | "buffered"
  | "unread";

/** How many events of an edge had an outcome; 0 for one that the server does not know. */
export function partOf(edge: EdgeBalance, part: Part): number {
  return edge.parts[part] ?? 0;
}

/** How many events of an edge its stage has taken. */
export function consumedOf(edge: EdgeBalance): number {
  return edge.settled + edge.in_flight - partOf(edge, "unread");
}

/** Icon and word of each part. */
export const stateOfPart: Record<Part, StateName> = {
  handled: "handled",
  bypassed: "bypassed",
  dropped: "dropped",
  filtered: "filtered",
  dead: "dead",
  cancelled: "cancelled",
  parked: "parked",
  buffered: "flight",
  unread: "flight",
};

/** The state of a run as a word of the console. */
export function stateOfRun(status: string): StateName {
  const known: Record<string, StateName> = {
    running: "running",
    cancelling: "running",
    completed: "completed",
    "completed with dead letters": "completed",
    settled: "settled",
    "settled with dead letters": "settled",
    failed: "failed",
    cancelled: "cancelled",
    unopened: "stuck",
  };
  return known[status] ?? "running";
}
