/** Which icon, word and tone does a state have? */

import type { ReactNode } from "react";
import { Icon, type IconName } from "./Icon";

export type Tone = "ok" | "flight" | "wait" | "late" | "dead" | "quiet" | "gap";

interface Look {
  tone: Tone;
  icon: IconName;
  word: string;
}

function look(tone: Tone, icon: IconName, word: string): Look {
  return { tone, icon, word };
}

/** All states of the console; a page adds a word, not a state. */
export const states = {
  handled: look("ok", "handled", "handled"),
  on: look("ok", "handled", "on"),
  passed: look("ok", "handled", "passed"),
  fired: look("ok", "handled", "fired"),
  balanced: look("ok", "handled", "balanced"),
  amended: look("ok", "handled", "amended"),
  "in-force": look("ok", "handled", "in force"),
  resolved: look("ok", "handled", "resolved"),
  completed: look("quiet", "completed", "completed"),
  settled: look("quiet", "settled", "settled, not proven"),
  flight: look("flight", "flight", "in flight"),
  running: look("flight", "running", "running"),
  open: look("flight", "running", "open"),
  canary: look("flight", "canary", "canary"),
  shadow: look("flight", "shadow", "shadow"),
  held: look("wait", "held", "on hold"),
  waiting: look("wait", "held", "waiting"),
  paused: look("wait", "held", "paused"),
  parked: look("wait", "parked", "parked"),
  throttled: look("wait", "throttled", "throttled"),
  late: look("late", "late", "late"),
  "running-late": look("late", "late", "running, late"),
  overdue: look("late", "late", "overdue"),
  stuck: look("late", "late", "stuck"),
  unworked: look("late", "unworked", "unworked"),
  missed: look("late", "missed", "missed"),
  warned: look("late", "warning", "warned"),
  anomaly: look("late", "anomaly", "anomaly"),
  unacknowledged: look("late", "bell", "not acknowledged"),
  dead: look("dead", "dead", "dead"),
  failed: look("dead", "failed", "failed"),
  refused: look("dead", "failed", "refused"),
  dropped: look("quiet", "dropped", "dropped"),
  filtered: look("quiet", "filtered", "filtered"),
  cancelled: look("quiet", "cancelled", "cancelled"),
  skipped: look("quiet", "cancelled", "skipped"),
  excluded: look("quiet", "excluded", "excluded"),
  bypass: look("quiet", "bypass", "bypass"),
  bypassed: look("quiet", "bypass", "bypassed"),
  snoozed: look("quiet", "snooze", "snoozed"),
  muted: look("quiet", "mute", "muted"),
  replayed: look("quiet", "again", "replayed"),
  planned: look("quiet", "planned", "planned"),
  flag: look("quiet", "flag", "flag"),
  draining: look("quiet", "draining", "draining"),
  retired: look("quiet", "retired", "retired"),
  gap: look("gap", "gap", "does not balance"),
} satisfies Record<string, Look>;

export type StateName = keyof typeof states;

interface StateProps {
  of: StateName;
  /** Words instead of the state's own: `<State of="waiting"><b>load</b> waiting</State>`. */
  children?: ReactNode;
  tone?: Tone;
  title?: string | undefined;
}

/** A state: icon and word, in its tone. */
export function State({ of, children, tone, title }: StateProps) {
  const { icon, word, tone: own } = states[of];
  const shown = tone ?? own;
  return (
    <span className={shown === "gap" ? "state tone-gap" : "state"} data-tone={shown} title={title}>
      <Icon name={icon} />
      {/* Without the space, words in an inline flex box would stand apart by its gap. */}
      <span>{children ?? word}</span>
    </span>
  );
}
