/** How has a score changed from run to run? */

import { percent } from "./feeds";
import type { Point } from "./queries";

const WIDTH = 300;
const HEIGHT = 40;
const EDGE = 3;

/** A line from the oldest run to the newest, between the least score and 100 %. */
export function Trend({ points }: { points: readonly Point[] }) {
  const known = points.flatMap((point, at) =>
    point.score === null ? [] : [{ at, score: point.score }],
  );
  if (known.length < 2) return <span className="faint">too few runs</span>;
  const least = Math.min(...known.map((one) => one.score));
  const span = 1 - least || 1;
  const step = (WIDTH - 2 * EDGE) / Math.max(1, points.length - 1);
  const places = known.map(({ at, score }) => ({
    x: EDGE + at * step,
    y: least === 1 ? EDGE : EDGE + ((1 - score) / span) * (HEIGHT - 2 * EDGE),
  }));
  const line = places.map(({ x, y }, at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`);
  const last = places.at(-1);
  return (
    <svg
      className="pic trend"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      role="img"
      aria-label={`Score by run: between ${percent(least)} and ${percent(Math.max(...known.map((one) => one.score)))}`}
    >
      <path className="quality-line" d={line.join("")} />
      {last && <circle className="quality-dot" cx={last.x} cy={last.y} r={2.5} />}
    </svg>
  );
}
