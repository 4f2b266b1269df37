/** How long did the last runs take? */

import { useNow } from "@/preferences/clock";
import { Duration } from "@/ui/figures";
import { formatDuration } from "@/ui/format";
import type { ListedRun, RunsOverview } from "./useRuns";

const WIDTH = 720;
const STEP = 6;
const HEIGHT = 40;
const LOWEST = 100; // ms: a bar of nothing
const HIGHEST = 60_000; // ms, unless one took longer

/** A bar for each of the last runs, on a log scale, the newest right. */
export function DurationBars({
  durations,
  late,
}: {
  durations: RunsOverview["durations"];
  /** The newest run that is late, if one is. */
  late: ListedRun | undefined;
}) {
  const now = useNow();
  const bars = durations.newest.map((run) => ({ ...run, ms: run.took ?? now - run.opened }));
  if (bars.length < 2) return null;
  const highest = Math.max(HIGHEST, ...bars.map((bar) => bar.ms));
  const before = WIDTH / STEP - bars.length;
  return (
    <div className="durations wide-only">
      <p className="label">
        How long the last {bars.length} took
        <br />
        {durations.median !== null && durations.p95 !== null && (
          <span className="soft">
            median <Duration ms={durations.median} exact />, p95{" "}
            <Duration ms={durations.p95} exact />
          </span>
        )}
      </p>
      <svg
        className="pic"
        viewBox={`0 0 ${WIDTH} 42`}
        width={WIDTH}
        height="42"
        role="img"
        aria-label={`How long the last ${bars.length} runs took`}
      >
        <path className="hair" d={`M0 40.5H${WIDTH}`} />
        {bars.map((bar, index) => {
          const height = heightOf(bar.ms, highest);
          return (
            <rect
              key={bar.run}
              className={bar.failed ? "f-dead" : bar.late ? "f-late" : "f-quiet"}
              x={(before + index) * STEP}
              y={HEIGHT - height}
              width="4"
              height={height}
            >
              <title>{`${bar.run}: ${formatDuration(bar.ms)}${bar.took === null ? " until now" : ""}`}</title>
            </rect>
          );
        })}
      </svg>
      <p className="label">
        log scale, newest right
        {late && (
          <>
            <br />
            <span className="tone-late">
              now <Duration ms={Math.max(0, now - late.opened)} />
              {typeof late.within === "number" && (
                <>
                  , expected <Duration ms={late.within * 1000} exact />
                </>
              )}
            </span>
          </>
        )}
      </p>
    </div>
  );
}

/** The height of a bar, in px. */
export function heightOf(ms: number, highest: number): number {
  const share = Math.log(Math.max(ms, LOWEST) / LOWEST) / Math.log(highest / LOWEST);
  return Math.max(2, Math.round(share * (HEIGHT - 2) * 10) / 10);
}
