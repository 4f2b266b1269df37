/** How is it with a run, and do its books balance? */

import { State } from "@/ui/State";
import type { ListedRun } from "./useRuns";

/** The status of a run; that letters died is said beside it, only their count has the tone. */
export function RunState({ run }: { run: ListedRun }) {
  if (run.status === "running") return <State of={run.late ? "running-late" : "running"} />;
  if (run.status === "cancelling") return <State of="running">cancelling</State>;
  if (run.status === "failed") return <State of="failed" />;
  if (run.status === "cancelled") return <State of="cancelled" />;
  if (run.status === "unopened") return <State of="warned">no root</State>;
  const name = run.status.startsWith("settled") ? "settled" : "completed";
  return (
    <>
      <State of={name}>{name}</State>
      {run.status.endsWith("dead letters") && <span className="faint"> dead letters</span>}
    </>
  );
}

/** Whether what was emitted has been settled. */
export function BooksState({ run }: { run: ListedRun }) {
  if (run.closed === null) return <State of="open" />;
  if (run.status.startsWith("settled"))
    return (
      <State of="settled" title="A program without transactions has settled events of this run">
        not proven
      </State>
    );
  if (run.amended > 0) return <State of="amended" />;
  return <State of="balanced" />;
}
