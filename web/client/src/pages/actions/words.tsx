/** In which words is a deed told? */

import { Link } from "@tanstack/react-router";
import { SafeText } from "@/ui/JsonView";
import { State } from "@/ui/State";
import type { Action } from "./queries";

/** How it ended. A deed that went well has no colour. */
export function Outcome({ action }: { action: Action }) {
  if (action.result === "ok") return <span className="soft">done</span>;
  return (
    <State
      of={action.result}
      tone={action.result === "refused" ? "late" : "dead"}
      title={action.code}
    >
      {action.result}
      {action.code && <span className="faint">, {codeWords(action.code)}</span>}
    </State>
  );
}

/** `unknown_stage` as words. */
export function codeWords(code: string): string {
  return code.replaceAll("_", " ");
}

/** From where: `command line`, `web, operator`. */
export function wayWords(action: Action): string {
  const way = { cli: "command line", web: "web", program: "program" }[action.via];
  return action.role ? `${way}, ${action.role}` : way;
}

const ofRuns: readonly string[] = ["cancel", "again"];
const ofIncidents: readonly string[] = ["ack", "mute", "unmute"];
const ofStages: readonly string[] = ["pause", "resume", "switch", "throttle", "restart", "seek"];

/** What it was done to, with a link to where that is shown. */
export function Target({ action, several }: { action: Action; several: boolean }) {
  const { target, pipeline, what } = action;
  const prefix = several && pipeline && target ? <span className="faint">{pipeline}.</span> : null;
  if (!target)
    return pipeline ? (
      <Link className="link" to="/pipelines/$pipeline" params={{ pipeline }}>
        <SafeText text={pipeline} />
      </Link>
    ) : null;
  if (ofRuns.includes(what) && /^[a-z2-7]{10,}$/.test(target))
    return (
      <Link className="link id" to="/runs/$run" params={{ run: target }}>
        {target}
      </Link>
    );
  const place = placeOf(action);
  if (place)
    return (
      <Link className="link" {...place}>
        {prefix}
        <SafeText text={target} />
      </Link>
    );
  if (ofStages.includes(what) && pipeline)
    return (
      <Link
        className="link"
        to="/pipelines/$pipeline"
        params={{ pipeline }}
        search={{ stage: target }}
      >
        {prefix}
        <SafeText text={target} />
      </Link>
    );
  return (
    <>
      {prefix}
      <SafeText text={target} />
    </>
  );
}

/** The page that shows a letter, an incident or a schedule of which a deed was; else undefined. */
function placeOf({ what, target, pipeline }: Action) {
  if (what.startsWith("dead ") && pipeline && /^[^/]+\/\d+$/.test(target))
    return {
      to: "/dead-letters",
      search: { letter: `${pipeline}/${target}`, state: "all" },
    } as const;
  if (ofIncidents.includes(what) && /^[a-z2-7]{8,}$/.test(target))
    return { to: "/incidents", search: { id: target } } as const;
  if (what.startsWith("schedules ") && pipeline)
    return { to: "/schedules", search: { pipeline, name: target } } as const;
  return undefined;
}

/** In short what was changed: `on → hold`, `order-lines@6 → @7`; "" if that cannot be said in short. */
export function changeWords(action: Action): string {
  const before = record(action.before);
  const after = record(action.after);
  for (const field of ["version", "mode", "rate", "value", "paused"]) {
    const now = after[field];
    if (now === undefined || now === null) continue;
    if (field === "paused") return now === true ? "paused" : "goes on";
    const then = before[field];
    return then === undefined || then === null || then === now
      ? shown(now)
      : `${shown(then)} → ${shown(now)}`;
  }
  for (const field of ["replayed", "discarded"]) {
    const counts = Object.values(record(after[field])).map(Number);
    if (counts.length > 0) return `${counts.reduce((sum, one) => sum + one, 0)} ${field}`;
  }
  if (typeof after["events"] === "number") return `${after["events"]} published`;
  return "";
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
