/** Which state and words does a schedule, or one of its planned times, have? */

import { formatDuration } from "@/ui/format";
import type { StateName } from "@/ui/State";
import type { Firing, ScheduleState } from "./queries";

const IN_TIME = 60_000; // an order is executed within this time

/** A state of the console and its words. */
export interface Outcome {
  state: StateName;
  words: string;
}

/** What became of a planned time. */
export function firingOutcome(firing: Firing, isTimed: boolean): Outcome {
  switch (firing.outcome) {
    case "skipped":
      return { state: "skipped", words: "skipped" };
    case "merged":
      return { state: "skipped", words: "merged" };
    case "missed":
      return { state: "missed", words: "missed" };
    case "excluded":
      return { state: "excluded", words: "excluded" };
  }
  if (isAgain(firing, isTimed)) return { state: "fired", words: "fired again" };
  return { state: "fired", words: isLate(firing) ? "fired late" : "fired" };
}

/** True if it fired after its time. Of what somebody has ordered, the reason says only that. */
function isLate(firing: Firing): boolean {
  if (!firing.order) return firing.reason !== "";
  return Date.parse(firing.at) - Date.parse(firing.planned) > IN_TIME;
}

/** True for a second firing of a planned time, by hand. */
export function isAgain(firing: Firing, isTimed: boolean): boolean {
  return isTimed && firing.suffix !== "";
}

/** Why it is so: who asked for it, the reason, or how long after its time it fired. */
export function firingReason(firing: Firing): string {
  const by = firing.by ? `by ${firing.by}` : "";
  const said = [by, firing.reason].filter(Boolean).join(": ");
  if (said || firing.outcome !== "fired") return said;
  const after = Date.parse(firing.at) - Date.parse(firing.planned);
  return after >= 1000 ? `${formatDuration(after)} after its time` : "";
}

/** How a schedule stands now, worst first; undefined if it has done nothing yet. */
export function scheduleOutcome(schedule: ScheduleState): (Outcome & { why: string }) | undefined {
  if (schedule.overdue) return { state: "overdue", words: "overdue", why: schedule.overdue.what };
  if (schedule.late)
    return { state: "overdue", words: "late", why: "no scheduler has decided on it yet" };
  const refused = schedule.orders.find((order) => order.refused);
  if (refused) return { state: "refused", words: "order refused", why: refused.refused };
  if (schedule.paused) return { state: "paused", words: "paused", why: pauseText(schedule.paused) };
  const [waiting] = schedule.waiting;
  if (waiting?.why) return { state: "waiting", words: "waiting", why: waiting.why };
  const { last, decided } = schedule;
  if (last && (!decided || Date.parse(last.planned) >= Date.parse(decided.planned))) {
    if (last.status === "failed") return { state: "failed", words: "fired, failed", why: "" };
    if (schedule.running.some((run) => run.event === last.event))
      return { state: "running", words: "fired, running", why: "" };
    return { state: "fired", words: "fired", why: last.status };
  }
  if (!decided) return undefined;
  const state = decided.outcome === "merged" ? "skipped" : decided.outcome;
  return { state, words: decided.outcome, why: decided.reason };
}

/** Who has paused it, and why. */
export function pauseText(pause: NonNullable<ScheduleState["paused"]>): string {
  const who = pause.by_file ? "by topology.yaml" : pause.by ? `by ${pause.by}` : "";
  const whole = pause.pipeline ? "with the whole pipeline" : "";
  return [[who, whole].filter(Boolean).join(" "), pause.comment].filter(Boolean).join(": ");
}
