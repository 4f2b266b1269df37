/** Why are events of a run in flight? */

import { type EdgeBalance, partOf, type StageWait } from "../model";

/** The reasons of an edge, without that of its parked events: these stand for themselves. */
export function waitsOf(waits: readonly StageWait[], edge: EdgeBalance): StageWait[] {
  if (partOf(edge, "unread") === 0) return [];
  return waits.filter((wait) => wait.stage === edge.stage && wait.kind !== "parked").slice(0, 2);
}

/** A reason as it stands in the picture: short; the whole is in the sheet. */
export function waitText(wait: StageWait): string {
  return wait.text.length > 48 ? `${wait.text.slice(0, 47)}…` : wait.text;
}
