/** How did a figure go? A line over its area, the largest value at the top. */

const WIDTH = 296;
const HEAD = 16;

interface HistoryChartProps {
  /** What is drawn, for screen readers. */
  label: string;
  /** At equal steps, the oldest first; undefined where there was none. */
  values: readonly (number | undefined)[];
  format(value: number): string;
  height: number;
  tone?: "wait" | "late";
}

/** The scale begins at 0; the value of now stands at the right, if there is one. */
export function HistoryChart({ label, values: known, format, height, tone }: HistoryChartProps) {
  const values = known.map((value) => value ?? 0);
  const top = niceTop(Math.max(...values, 0));
  const last = known.at(-1);
  const now = last === undefined ? "none" : format(last);
  const line = linePoints(values, top, height);
  return (
    <svg
      className="pic chart"
      preserveAspectRatio="xMinYMid"
      viewBox={`0 0 ${WIDTH} ${height}`}
      height={height}
      role="img"
      aria-label={`${label}: ${now} now, ${format(Math.max(...values, 0))} at most`}
    >
      <path className="hair" d={`M0 ${HEAD}.5H${WIDTH}M0 ${height - 0.5}H${WIDTH}`} />
      <path
        className={tone ? undefined : "flow"}
        style={tone ? { fill: `var(--${tone}-wash)` } : undefined}
        d={`M${line}V${height}H0z`}
      />
      <path className={tone ? `s-${tone}` : "s-ink"} fill="none" strokeWidth={1.2} d={`M${line}`} />
      <text className="dim halo" x={0} y={HEAD - 4}>
        {format(top)}
      </text>
      <text className={`end halo ${tone ? `t-${tone} w6` : "fig"}`} x={WIDTH} y={HEAD - 4}>
        {last !== undefined && now}
      </text>
    </svg>
  );
}

/** Points of the line, from left to right. */
export function linePoints(values: readonly number[], top: number, height: number): string {
  const step = WIDTH / Math.max(1, values.length - 1);
  const room = height - HEAD;
  return values
    .map((value, index) => {
      const x = Math.round(index * step * 10) / 10;
      const y = Math.round((height - (room * value) / (top || 1)) * 10) / 10;
      return `${x} ${y}`;
    })
    .join("L");
}

/** The least 1, 2 or 5 times a power of ten that is not below a value. */
export function niceTop(most: number): number {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  const factor = [1, 2, 5, 10].find((each) => each * power >= most * 0.999) ?? 10;
  return factor * power;
}
