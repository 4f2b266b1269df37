/** How was an unusual number in the runs before and after, and what was expected? */

import { usePreferences } from "@/preferences/preferences";
import { epochMs, formatDay, formatTime } from "@/ui/format";
import { useNarrow } from "@/ui/useNarrow";
import { planBandChart } from "./bandPlan";
import { measuredText, numberName } from "./measured";
import type { AnomalyDetail } from "./queries";

const WIDE = [648, 252] as const;
const NARROW = [358, 200] as const;

/** The runs from left to right, in grey the expected range of the run that was unusual. What was told
 * as unusual is a triangle with its value, so that it is seen without colours. */
export function BandChart({
  anomaly,
  flagged,
}: {
  anomaly: AnomalyDetail;
  flagged: ReadonlySet<string>;
}) {
  const [width, height] = useNarrow() ? NARROW : WIDE;
  const { zone } = usePreferences();
  const { points, kind } = anomaly;
  const plan = planBandChart({ ...anomaly, flagged, width, height });
  const text = (value: number) => measuredText(kind, value);
  const own = plan.places.find((place) => place.run !== null && place.run === anomaly.run);
  const day = (at: string) => formatDay(epochMs(at), zone);
  const [first, last] = [points[0], points.at(-1)];
  return (
    <svg
      className="pic"
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
      role="img"
      aria-label={`${numberName(anomaly)} in the last ${points.length} runs: expected ${text(anomaly.low)} to ${text(anomaly.high)}, found ${text(anomaly.value)}`}
    >
      <rect
        className="band"
        x={plan.left}
        y={plan.top}
        width={plan.right - plan.left}
        height={Math.max(1, plan.bottom - plan.top)}
      />
      <path
        className="s-quiet"
        strokeDasharray="2 3"
        d={`M${plan.left} ${plan.top}H${plan.right}M${plan.left} ${plan.bottom}H${plan.right}`}
      />
      <path className="hair-strong" d={`M${plan.left} ${plan.middle}H${plan.right}`} />
      <path className="hair" d={`M${plan.left} ${plan.floor + 0.5}H${plan.right}`} />
      <path className="s-ink" fill="none" strokeWidth={1.2} d={plan.line} />
      {plan.places.map(({ x, y, run, at, value, flagged: told, side }) => (
        <g key={`${run ?? ""}/${at}`}>
          {told ? (
            <path
              className="f-late"
              d={side === "below" ? `M${x - 5} ${y - 4}h10l-5 9z` : `M${x - 5} ${y + 4}h10l-5 -9z`}
            />
          ) : (
            <circle className="bar" cx={x} cy={y} r={2} />
          )}
          <title>{`${run ?? "window"}, ${day(at)} ${formatTime(epochMs(at), zone)}: ${text(value)}${told ? ", unusual" : ""}`}</title>
        </g>
      ))}
      {own && (
        <text
          className={own.x > width / 2 ? "t-late w6 f12 end halo" : "t-late w6 f12 halo"}
          x={own.x > width / 2 ? own.x - 10 : own.x + 10}
          y={own.y + 4}
        >
          {text(own.value)}, unusual
        </text>
      )}
      {plan.ticks.map(({ value, y }) => (
        <text key={value} className="dim end" x={plan.left - 8} y={y + 4}>
          {text(value)}
        </text>
      ))}
      <text className="dim" x={plan.right + 8} y={(plan.top + plan.bottom) / 2 + 4}>
        expected
      </text>
      {first && (
        <text className="dim" x={plan.left} y={plan.floor + 18}>
          {day(first.at)}
        </text>
      )}
      {last && points.length > 1 && (
        <text className="dim end" x={plan.right} y={plan.floor + 18}>
          {day(last.at)}
        </text>
      )}
    </svg>
  );
}
