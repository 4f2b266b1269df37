/** When did a row of a trace happen? */

import type { RailRow } from "./rail";
import type { TimeAxis } from "./timeAxis";

export const WATERFALL = 148; // px

interface WaterfallProps {
  row: RailRow;
  axis: TimeAxis;
  /** When the event that a stage reads was emitted, in ms of the epoch. */
  begin: number | undefined;
}

/** Hatched from the emission of what a stage read to its result; a bar where it died or was replayed. */
export function Waterfall({ row, axis, begin }: WaterfallProps) {
  const end = typeof row.at === "number" ? axis.xOf(row.at) : undefined;
  const start = begin === undefined ? undefined : axis.xOf(begin);
  const isResult = row.kind === "stage" || row.kind === "dead";
  return (
    <svg
      className="pic wf"
      viewBox={`0 0 ${WATERFALL} 31`}
      width={WATERFALL}
      height="31"
      aria-hidden="true"
    >
      {axis.breaks.map(({ x }) => (
        <path key={x} className="hair" d={`M${x} 0V31M${x + 4} 0V31`} />
      ))}
      {isResult && start !== undefined && end !== undefined && (
        <rect x={start} y="10" width={Math.max(2, end - start)} height="10" fill="url(#hatch)" />
      )}
      {row.kind !== "event" && row.kind !== "fold" && end !== undefined && (
        <rect
          className={row.kind === "dead" ? "f-dead" : "bar"}
          x={end}
          y="9"
          width="2"
          height="12"
        />
      )}
      {row.kind === "event" && end !== undefined && (
        <circle className="bar" cx={end} cy="15" r="2" />
      )}
    </svg>
  );
}
