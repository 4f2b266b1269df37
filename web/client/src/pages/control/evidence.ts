/** Where do the points of a line of evidence stand? Pure geometry on a log scale. */

import type { EvidencePoint } from "./queries";

/** The picture: places in px. */
export interface Frame {
  width: number;
  left: number;
  right: number;
}

export const WIDE: Frame = { width: 640, left: 52, right: 522 };
export const NARROW: Frame = { width: 358, left: 40, right: 350 };
/** The y of the scale's ends: ×100 at the top, 1/100 at the bottom. */
export const TOP = 28;
export const BOTTOM = 168;
const DECADES = 2;

/** The y of a decimal logarithm; what is beyond the scale stands 14 px beyond its end. */
export function evidenceY(logarithm: number): number {
  const perDecade = (BOTTOM - TOP) / (2 * DECADES);
  const y = (TOP + BOTTOM) / 2 - logarithm * perDecade;
  return round(Math.min(BOTTOM + 14, Math.max(TOP - 14, y)));
}

/** A scale from 0 to a round number of first attempts, with three or four ticks. */
export function attemptScale(most: number, frame: Frame): { end: number; ticks: number[] } {
  const rough = Math.max(most, 3) / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= rough) ?? rough;
  const whole = Math.max(1, Math.round(step));
  const parts = Math.max(2, Math.ceil(most / whole));
  const ticks = Array.from({ length: parts + 1 }, (_, index) => index * whole);
  return { end: whole * parts, ticks: frame === NARROW ? ticks.slice(0, 5) : ticks };
}

/** The x of a number of first attempts. */
export function attemptX(attempts: number, end: number, frame: Frame): number {
  return round(frame.left + (attempts / end) * (frame.right - frame.left));
}

/** The path of one of the lines, from no evidence at the beginning. */
export function evidencePath(
  points: readonly EvidencePoint[],
  of: "evidence_of_failures" | "evidence_of_times" | "evidence",
  end: number,
  frame: Frame,
): string {
  const start = `M${frame.left} ${evidenceY(0)}`;
  return points.reduce(
    (path, point) => `${path}L${attemptX(point.candidate, end, frame)} ${evidenceY(point[of])}`,
    start,
  );
}

/** After how many attempts the candidate had one more failure. */
export function failureMarks(points: readonly EvidencePoint[]): number[] {
  let known = 0;
  return points.flatMap((point) => {
    if (point.failed <= known) return [];
    known = point.failed;
    return [point.candidate];
  });
}

/** The points with the newest one; one that is known already is not added. */
export function withNewest(
  points: readonly EvidencePoint[],
  newest: EvidencePoint | undefined,
): EvidencePoint[] {
  const last = points.at(-1);
  if (!newest || (last && last.candidate >= newest.candidate)) return [...points];
  return [...points, newest];
}

/** A decimal logarithm as a factor: `×35`, `1/17`, `1`. */
export function factorText(logarithm: number): string {
  if (Math.abs(logarithm) < 0.02) return "1";
  const factor = 10 ** Math.abs(logarithm);
  const shown = factor < 9.95 ? factor.toFixed(1).replace(/\.0$/, "") : String(Math.round(factor));
  return logarithm > 0 ? `×${shown}` : `1/${shown}`;
}

/** The y of the words at two ends, 30 px apart and within the picture; the first stands above where
 * both are the same. */
export function labelPlaces(first: number, second: number): [number, number] {
  const highest = TOP + 10;
  const lowest = BOTTOM + 4;
  const gap = 30;
  const isAbove = first <= second;
  const middle = (first + second) / 2;
  const apart = Math.max(gap, Math.abs(first - second));
  const top = Math.min(lowest - apart, Math.max(highest, middle - apart / 2));
  const bottom = Math.min(lowest, top + apart);
  return isAbove ? [round(top), round(bottom)] : [round(bottom), round(top)];
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}
