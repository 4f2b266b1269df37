/** Which state, words and subject has an incident? */

import { formatCount } from "@/ui/format";
import type { StateName } from "@/ui/State";
import type { Summary } from "./incidentQueries";

interface Look {
  state: StateName;
  /** Behind the name: `load waiting`. */
  word: string;
  /** In a heading: `load is waiting`. */
  verb: string;
}

const looks: Record<string, Look> = {
  "stage.held": { state: "waiting", word: "waiting", verb: "is waiting" },
  "stage.parked": {
    state: "waiting",
    word: "rows parked",
    verb: "has rows that wait for a person",
  },
  "stage.full": { state: "waiting", word: "full", verb: "is full of rows that wait for a person" },
  "stage.unworked": { state: "unworked", word: "unworked", verb: "has no worker" },
  "stage.lost": { state: "stuck", word: "stuck", verb: "has lost its place in an input" },
  "stage.age": { state: "late", word: "behind", verb: "is behind" },
  "run.late": { state: "late", word: "late", verb: "is late" },
  "topic.changed": { state: "warned", word: "topic changed", verb: "has a topic others changed" },
  "ledger.lags": { state: "late", word: "books behind", verb: "has books that are behind" },
  "control.unread": {
    state: "warned",
    word: "unread document",
    verb: "has an unreadable document",
  },
  "control.unfit": {
    state: "warned",
    word: "unfit document",
    verb: "has a document that fits nothing",
  },
  "switch.ended": { state: "warned", word: "switch ended", verb: "has a switch that ended" },
  "schedule.overdue": { state: "overdue", word: "overdue", verb: "is overdue" },
  "schedule.failed": { state: "failed", word: "failed", verb: "could not fire" },
  "schedule.unread": { state: "warned", word: "unread", verb: "cannot be read" },
  "schedule.unknown": {
    state: "warned",
    word: "waits for nothing",
    verb: "waits for what is not there",
  },
  "schedule.partial": {
    state: "missed",
    word: "in part",
    verb: "has only a part of what it waits for",
  },
  "check.failed": { state: "failed", word: "check failed", verb: "has a check that failed" },
  "gate.failed": {
    state: "waiting",
    word: "gate shut",
    verb: "does not let in a run that failed its checks",
  },
  "data.unusual": { state: "warned", word: "unusual data", verb: "has unusual data" },
  "scheduler.clock": { state: "warned", word: "clock is wrong", verb: "has a wrong clock" },
  "scheduler.tzdata": { state: "warned", word: "old time zones", verb: "has old time zones" },
};

/** The state and words of an incident. */
export function lookOf(incident: Summary): Look {
  const found = looks[incident.kind];
  if (found) return found;
  const count = formatCount(incident.count);
  if (incident.kind === "dead")
    return {
      state: "dead",
      word: `${count} dead`,
      verb: incident.count === 1 ? "has 1 dead letter" : `has ${count} dead letters`,
    };
  return { state: "warned", word: incident.kind, verb: `has an alert: ${incident.kind}` };
}

/** What it is about: a stage, a schedule, a run, or the whole pipeline. */
export function subjectOf(incident: Summary): string {
  return incident.stage || incident.schedule || incident.run || incident.pipeline;
}

/** What happened, in one line. */
export function reasonOf(incident: Summary): { error: string; text: string } {
  if (incident.kind === "dead") return { error: incident.error, text: incident.title };
  const said = incident.said || incident.title;
  const split = /^(\w*(?:Error|Exception|Timeout)\w*): (.+)$/.exec(said);
  return split ? { error: split[1] ?? "", text: split[2] ?? "" } : { error: "", text: said };
}
