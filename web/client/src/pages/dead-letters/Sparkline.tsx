/** When did letters of a kind die? */

const HEIGHT = 16;
const LEAST = 1.5; // px of a bar that is empty
const MOST = 14;

/** A bar for each interval, the newest at the right; those that are all settled are grey. */
export function Sparkline({ counts, settled }: { counts: readonly number[]; settled: boolean }) {
  const most = Math.max(1, ...counts);
  return (
    <svg
      className="pic spark"
      viewBox={`0 0 72 ${HEIGHT}`}
      width={72}
      height={HEIGHT}
      aria-hidden="true"
    >
      {counts.map((count, index) => {
        const height = count === 0 ? LEAST : Math.max(2, (MOST * count) / most);
        return (
          <rect
            key={index}
            className={settled ? "f-quiet" : "f-dead"}
            x={index * 6}
            y={HEIGHT - height}
            width={4}
            height={height}
          />
        );
      })}
    </svg>
  );
}
