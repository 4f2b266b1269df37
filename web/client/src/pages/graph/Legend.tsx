/** What do the lines of the graph mean? */

import { formatPerSecond } from "@/ui/format";
import { fastestRate } from "./conditions";
import type { Figures, RunOverlay } from "./graphData";

export function Legend({
  figures,
  run,
}: {
  figures: Figures | undefined;
  run: RunOverlay | undefined;
}) {
  const fastest = figures ? fastestRate(figures.edges) : 0;
  return (
    <>
      {run && <span>widths are counts of the run</span>}
      {!run && fastest > 0 && (
        <span>
          <svg width="64" height="16" aria-hidden="true">
            <path className="flow" d="M0 0H18V16H0zM24 4H42V12H24zM48 7H64V9H48z" />
          </svg>
          {[1, 0.5, 0.125].map((share) => formatPerSecond(fastest * share)).join(", ")} events a
          second
        </span>
      )}
      {!run && (
        <>
          <span>
            <svg width="34" height="16" aria-hidden="true">
              <path className="flow late" d="M0 1L34 5V11L0 15z" />
            </svg>
            narrows: more comes than is settled
          </span>
          <span>
            <svg width="34" height="16" aria-hidden="true">
              <path className="flow held" d="M0 3L26 8L0 13z" />
              <path className="s-wait" strokeWidth="2" d="M29 2v12M33 2v12" />
            </svg>
            waits before the stage
          </span>
        </>
      )}
      <span>
        <svg width="28" height="16" aria-hidden="true">
          <path className="dash" d="M0 8H28" />
        </svg>
        an older version
      </span>
    </>
  );
}
