/** How are runs listed on a phone? */

import { Link } from "@tanstack/react-router";
import { counted, cutMiddle, formatCount } from "@/ui/format";
import { Moment } from "@/ui/Moment";
import { RunRoot } from "./RunRoot";
import { RunState } from "./RunState";
import { Took } from "./Took";
import type { ListedRun } from "./useRuns";

/** Three lines a run, the whole of it a link. */
export function RunCards({ runs }: { runs: readonly ListedRun[] }) {
  return (
    <ol className="cards">
      {runs.map((run) => (
        <li key={run.run}>
          <Link to="/runs/$run" params={{ run: run.run }}>
            <span>
              <RunState run={run} />
            </span>
            <span className="num strong">
              <Took run={run} />
            </span>
            <span className="card-root">
              <RunRoot run={run} />
            </span>
            <span className="num faint">
              <Moment at={run.opened} />
            </span>
            <span className="small soft">
              {typeof run.lines === "number"
                ? counted(run.lines, "line")
                : counted(run.events, "event")}
              {run.dead > 0 && (
                <>
                  , <b className="tone-dead">{formatCount(run.dead)} dead</b>
                </>
              )}
              {run.in_flight > 0 && (
                <>
                  , <b className="tone-flight">{formatCount(run.in_flight)} in flight</b>
                </>
              )}
            </span>
            <span className="num small faint">{cutMiddle(run.run)}</span>
          </Link>
        </li>
      ))}
    </ol>
  );
}
