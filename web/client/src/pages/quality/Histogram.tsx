/** How are the numbers of a column spread? */

import type { Column } from "./queries";

const WIDTH = 120;
const HEIGHT = 20;
const FLOOR = 19;

/** A bar for each part of the range; heights are square roots of counts, so that few are seen too. */
export function Histogram({ bars }: { bars: NonNullable<Column["histogram"]> }) {
  const most = Math.max(1, ...bars.counts);
  const step = WIDTH / Math.max(1, bars.counts.length);
  return (
    <svg
      className="pic histo"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      aria-hidden="true"
    >
      <path className="hair" d={`M0 ${FLOOR + 0.5}H${WIDTH}`} />
      {bars.counts.map((count, at) => {
        const height = count ? Math.max(1, 17 * Math.sqrt(count / most)) : 0;
        return (
          <rect
            key={at}
            className="f-quiet"
            x={at * step}
            y={FLOOR - height}
            width={Math.max(1, step - 1)}
            height={height}
          />
        );
      })}
    </svg>
  );
}
