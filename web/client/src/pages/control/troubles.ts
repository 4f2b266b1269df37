/** Which controls need somebody? */

import type { Trouble } from "@/live/needs";
import { formatCount, formatDuration } from "@/ui/format";
import { factorText } from "./evidence";
import type { ControlRow } from "./queries";

/** In how many milliseconds an end is near. */
export const SOON = 1_800_000;

/** What waits for a stage on hold: events where the books know them, else offsets. */
export function waitingParts({
  done,
}: ControlRow): { count: number; words: string; title: string }[] {
  const events = { words: "in flight", title: "Events, by the books" };
  const offsets = {
    words: "unread",
    title: "Offsets that are not read: the markers of transactions are among them",
  };
  return [
    ...(typeof done.in_flight === "number" ? [{ count: done.in_flight, ...events }] : []),
    ...(typeof done.unread === "number" ? [{ count: done.unread, ...offsets }] : []),
  ];
}

/** Where something waits, then canaries that seem worse, then what ends soon. */
export function controlTroubles(rows: readonly ControlRow[], now: number): Trouble[] {
  const holds = rows
    .filter((row) => row.mode === "hold" || row.mode === "drain")
    .map((row) => {
      const by = row.by ? `By ${row.by}, ` : "";
      const until = row.until ? `until ${row.until.slice(11, 16)} UTC` : "no end set";
      const waits = waitingParts(row)
        .filter(({ count }) => count > 0)
        .map(({ count, words }) => `; ${formatCount(count)} ${words}`)
        .join("");
      return trouble(
        row,
        row.mode === "hold" ? "held" : "draining",
        row.mode === "hold" ? "on hold" : "drains",
        `${by}${until}${waits}`,
        {
          since: row.since ? Date.parse(row.since) : undefined,
        },
      );
    });
  const throttled = rows
    .filter((row) => row.done.waiting)
    .map((row) =>
      trouble(
        row,
        "throttled",
        "throttled",
        `${formatCount(row.done.waiting ?? 0)} wait for ${row.value}`,
        {
          since: row.since ? Date.parse(row.since) : undefined,
        },
      ),
    );
  const canaries = rows
    .filter((row) => row.mode === "canary" && (row.done.evidence ?? 0) >= 0.5)
    .map((row) =>
      trouble(
        row,
        "canary",
        "canary seems worse",
        `Evidence ${factorText(row.done.evidence ?? 0)} of ${factorText(row.done.ends_at ?? 2)}, where it ends itself`,
        { since: row.since ? Date.parse(row.since) : undefined },
      ),
    );
  const soon = rows
    .filter((row) => row.until && row.mode !== "hold" && Date.parse(row.until) - now < SOON)
    .map((row) =>
      trouble(
        row,
        "late",
        "ends soon",
        `Then ${row.otherwise ? `${row.otherwise} holds again` : "it is as the file says"}`,
        {
          note: `${formatDuration(Math.max(0, Date.parse(row.until ?? "") - now))} left`,
        },
        row.kind === "flag" ? "flag" : "planned",
      ),
    );
  return [...holds, ...throttled, ...canaries, ...soon];
}

function trouble(
  row: ControlRow,
  state: Trouble["state"],
  words: string,
  reason: string,
  when: { since?: number | undefined; note?: string },
  shown: Trouble["state"] = state,
): Trouble {
  const query = new URLSearchParams({ control: row.id });
  return {
    key: `${row.id}/${words}`,
    state: shown,
    name: row.target || row.pipeline,
    words,
    reason,
    to: `/control?${query}`,
    ...when,
  };
}
