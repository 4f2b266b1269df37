/** Where do the numbers of the last runs stand, and the band of what was expected? */

export interface BandPoint {
  at: string;
  run: string | null;
  value: number;
}

export interface BandInput {
  points: readonly BandPoint[];
  low: number;
  high: number;
  expected: number;
  /** Runs of which the number was told as unusual. */
  flagged: ReadonlySet<string>;
  width: number;
  height: number;
}

interface Place extends BandPoint {
  x: number;
  y: number;
  /** Told as unusual; false for a point that merely lies outside of the band. */
  flagged: boolean;
  side: "above" | "below" | "within";
}

export interface BandChartPlan {
  places: Place[];
  line: string;
  left: number;
  right: number;
  floor: number;
  top: number;
  bottom: number;
  middle: number;
  /** Labels of the scale, those that would stand on one another left out. */
  ticks: { value: number; y: number }[];
}

const LEFT = 76;
const RIGHT = 64;
const HEAD = 24;
const FOOT = 26;
const APART = 15;

/** Places in px: the runs from left to right at equal steps, the numbers on one linear scale. */
export function planBandChart(input: BandInput): BandChartPlan {
  const { points, low, high, expected, flagged, width, height } = input;
  const values = [...points.map((point) => point.value), low, high, expected];
  const least = Math.min(...values);
  const most = Math.max(...values);
  const span = most - least || Math.abs(most) || 1;
  const [floor, right] = [height - FOOT, width - RIGHT];
  const y = (value: number) => round(floor - 8 - ((value - least) / span) * (floor - 8 - HEAD));
  const step = points.length > 1 ? (right - LEFT) / (points.length - 1) : 0;
  const places = points.map((point, index) => ({
    ...point,
    x: round(points.length > 1 ? LEFT + index * step : (LEFT + right) / 2),
    y: y(point.value),
    flagged: point.run !== null && flagged.has(point.run),
    side: point.value > high ? "above" : point.value < low ? "below" : ("within" as const),
  })) as Place[];
  const ticks: { value: number; y: number }[] = [];
  for (const value of [high, low, expected]) {
    const place = y(value);
    if (ticks.every((tick) => Math.abs(tick.y - place) >= APART)) ticks.push({ value, y: place });
  }
  return {
    places,
    line: places.map((place, index) => `${index ? "L" : "M"}${place.x} ${place.y}`).join(""),
    left: LEFT,
    right,
    floor,
    top: y(high),
    bottom: y(low),
    middle: y(expected),
    ticks,
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
