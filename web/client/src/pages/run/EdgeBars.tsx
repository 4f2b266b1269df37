/** What does the picture say on a narrow screen? A bar for each edge. */

import { formatCount } from "@/ui/format";
import { State, states } from "@/ui/State";
import { stateOfWait } from "./balance/BalancePicture";
import { type Part, partOf, type RunBalance, type StageWait, stateOfPart } from "./model";

const SHOWN: readonly Part[] = [
  "handled",
  "bypassed",
  "dropped",
  "filtered",
  "dead",
  "cancelled",
  "parked",
  "buffered",
  "unread",
];

/** Each bar is as long as what was emitted, cut into where it is. */
export function EdgeBars({ run, waits }: { run: RunBalance; waits: readonly StageWait[] }) {
  const most = Math.max(1, ...run.edges.map((edge) => edge.emitted));
  return (
    <ol className="cuts narrow-only">
      {run.edges.map((edge) => {
        const parts = SHOWN.filter((part) => partOf(edge, part) > 0);
        const own = waits.filter((wait) => wait.stage === edge.stage && edge.in_flight > 0);
        return (
          <li key={`${edge.event_type}>${edge.stage}@${edge.foreign}`}>
            <h3>
              {edge.stage}{" "}
              <span className="unit">
                {edge.event_type}, {formatCount(edge.emitted)} emitted
              </span>
            </h3>
            <div
              className="cut"
              style={{ width: `${Math.max(3, (100 * edge.emitted) / most)}%` }}
              aria-hidden="true"
            >
              {parts.map((part) => (
                <i
                  key={part}
                  className={`b-${part === "unread" || part === "buffered" ? "flight" : part === "bypassed" ? "handled" : part}`}
                  style={{ flex: `${partOf(edge, part)} 0 2px` }}
                />
              ))}
              {edge.difference > 0 && (
                <i className="b-gap" style={{ flex: `${edge.difference} 0 4px` }} />
              )}
            </div>
            <ul>
              {parts.map((part) => (
                <li key={part}>
                  <State of={stateOfPart[part]}>
                    <b>{formatCount(partOf(edge, part))}</b>{" "}
                    {part === "unread" ? "in flight" : states[stateOfPart[part]].word}
                  </State>
                </li>
              ))}
              {edge.difference !== 0 && (
                <li>
                  <State of="gap">
                    {formatCount(Math.abs(edge.difference))}{" "}
                    {edge.difference > 0 ? "missing" : "too many"}
                  </State>
                </li>
              )}
            </ul>
            {own.map((wait) => (
              <p key={wait.kind} className={`tone-${states[stateOfWait(wait)].tone}`}>
                {wait.text}
              </p>
            ))}
          </li>
        );
      })}
    </ol>
  );
}
