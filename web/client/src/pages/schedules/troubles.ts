/** Which schedules need somebody? */

import type { Trouble } from "@/live/needs";
import { formatCount } from "@/ui/format";
import { pauseText } from "./outcome";
import type { Days, ScheduleState } from "./queries";

/** Overdue ones, then paused ones, then those that have left planned times out in the range. */
export function scheduleTroubles(
  schedules: readonly ScheduleState[],
  days: readonly Days[],
  word: string,
): Trouble[] {
  const overdue = schedules.flatMap((each): Trouble[] => {
    const since = each.overdue?.since ?? each.late;
    if (!since) return [];
    const reason = each.overdue?.what ?? "it has come, and no scheduler has decided on it";
    return [trouble(each, "overdue", "overdue", reason, { since: Date.parse(since) })];
  });
  const failed = schedules
    .filter((each) => each.last?.status === "failed")
    .map((each) =>
      trouble(each, "failed", "failed", "its last run has failed", {
        since: Date.parse(each.last?.fired ?? ""),
      }),
    );
  const paused = schedules.flatMap((each): Trouble[] =>
    each.paused && !each.paused.by_file
      ? [
          trouble(each, "paused", "paused", pauseText(each.paused), {
            since: each.paused.since ? Date.parse(each.paused.since) : undefined,
          }),
        ]
      : [],
  );
  const left = days.flatMap((each): Trouble[] => {
    const missed = each.counts.missed ?? 0;
    const skipped = each.counts.skipped ?? 0;
    const schedule = schedules.find(
      (one) => one.schedule === each.schedule && one.pipeline === each.pipeline,
    );
    if (!schedule || missed + skipped === 0 || schedule.paused) return [];
    const parts = [
      missed && `${formatCount(missed)} missed`,
      skipped && `${formatCount(skipped)} skipped`,
    ];
    return [
      trouble(
        schedule,
        missed ? "missed" : "skipped",
        `${formatCount(missed + skipped)} did not fire`,
        parts.filter(Boolean).join(", "),
        { note: word },
      ),
    ];
  });
  return [...overdue, ...failed, ...paused, ...left];
}

function trouble(
  schedule: ScheduleState,
  state: Trouble["state"],
  words: string,
  reason: string,
  when: { since?: number | undefined; note?: string },
): Trouble {
  const { pipeline, schedule: name } = schedule;
  const query = new URLSearchParams({ pipeline, name });
  return {
    key: `${pipeline}/${name}/${words}`,
    state,
    name,
    words,
    reason,
    to: `/schedules?${query}`,
    ...when,
  };
}
