/** What is said of parked rows and of orders about them? */

import { counted } from "@/ui/format";
import type { Ordered } from "./queries";

const DONE = { release: "released", mend: "mended", discard: "discarded" } as const;

/** `3 rows released`; what no lane has read yet is said, too. */
export function orderedText(result: Ordered): string {
  const taken = result.rows.filter((row) => row.taken).length;
  const waiting = result.rows.length - taken;
  if (result.rows.length === 0) return "No row waits any more that was meant";
  return [
    taken > 0 && `${counted(taken, "row")} ${DONE[result.do]}`,
    waiting > 0 &&
      `${counted(waiting, "order")} to ${result.do} given; the lanes read ${waiting === 1 ? "it" : "them"} as soon as they are worked`,
  ]
    .filter(Boolean)
    .join("; ");
}

/** The kind of the address: `?of=stage/check`. */
export function parseKind(text: string | undefined): { stage: string; check: string } | undefined {
  const slash = text?.indexOf("/") ?? -1;
  if (text === undefined || slash < 1 || slash + 1 === text.length) return undefined;
  return { stage: text.slice(0, slash), check: text.slice(slash + 1) };
}
