/** How long has a run taken, and those before it? */

import { useNow } from "@/preferences/clock";
import { Duration } from "@/ui/figures";
import { formatDuration } from "@/ui/format";
import type { ListedRun } from "./useRuns";

/** Until its end, or until now. */
export function Took({ run }: { run: ListedRun }) {
  const now = useNow();
  const ms = Math.max(0, (run.closed ?? now) - run.opened);
  const late = run.late && run.closed === null;
  return <Duration ms={ms} exact {...(late ? { tone: "late", strong: true } : {})} />;
}

const TOP = 2.6;
const FOOT = 14;

/** A line of the runs before with a root like this one's; the dot is this run. */
export function TookBefore({ run }: { run: ListedRun }) {
  const now = useNow();
  if (run.before.length === 0) return null;
  const own = Math.max(0, (run.closed ?? now) - run.opened);
  const values = [...run.before, own];
  const most = Math.max(...values, 1);
  const points = values.map((value, index) => ({
    x: 2 + (68 * index) / (values.length - 1),
    y: FOOT - ((FOOT - TOP) * value) / most,
  }));
  const last = points.at(-1) ?? { x: 70, y: FOOT };
  const line = points.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
  const tone = run.status === "failed" ? "f-dead" : run.late ? "f-late" : "bar";
  const longest = Math.max(...run.before);
  const shortest = Math.min(...run.before);
  return (
    <svg className="pic spark" viewBox="0 0 72 16" width="72" height="16" role="img">
      <title>
        {`The ${run.before.length} before took ${formatDuration(shortest)} to ${formatDuration(longest)}; the dot is this run`}
      </title>
      <path d={`M${line}`} fill="none" className="s-quiet" />
      <circle cx={last.x} cy={last.y} r="2" className={tone} />
    </svg>
  );
}
