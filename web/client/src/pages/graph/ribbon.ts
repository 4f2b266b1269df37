/** Which outline has an edge that begins as thick as what comes and ends as thick as what is handled? */

import type { Point } from "./layoutGraph";

export const THICKEST = 16;
export const THINNEST = 1.5;

/** Thickness in px of a rate: linear, 16 px for the fastest of all. */
export function thickness(rate: number | null | undefined, fastest: number): number {
  if (!rate || fastest <= 0) return THINNEST;
  return Math.max(THINNEST, Math.min(THICKEST, (THICKEST * rate) / fastest));
}

/** The outline of a ribbon along a middle line, from left to right. It is as thick across its way,
 * also where that is steep. */
export function ribbonPath(line: readonly Point[], from: number, to: number): string {
  const way = sampled(line);
  const first = way[0];
  const last = way.at(-1);
  if (!first || !last || way.length < 2) return "";
  const length = Math.max(1, last.x - first.x);
  const side = (sign: 1 | -1) =>
    way.map((point) => {
      const half = (sign * (from + ((to - from) * (point.x - first.x)) / length)) / 2;
      return at({ x: point.x - half * point.slope.y, y: point.y + half * point.slope.x });
    });
  return `M${[...side(-1), ...side(1).reverse()].join("L")}z`;
}

interface WayPoint extends Point {
  /** The direction of the way there, of length 1. */
  slope: Point;
}

const SAMPLES = 12;
const LEVEL: Point = { x: 1, y: 0 };

/** The points of a line, with those of its curves between them. */
function sampled(line: readonly Point[]): WayPoint[] {
  const way: WayPoint[] = line.slice(0, 1).map((point) => ({ ...point, slope: LEVEL }));
  line.slice(1).forEach((end, index) => {
    const start = line[index] ?? end;
    if (Math.abs(start.y - end.y) >= 0.5)
      for (let step = 1; step < SAMPLES; step += 1) way.push(onCurve(start, end, step / SAMPLES));
    way.push({ ...end, slope: LEVEL });
  });
  return way;
}

/** A point of the cubic that `curve` draws, at a share `t` of it. */
function onCurve(start: Point, end: Point, t: number): WayPoint {
  const u = 1 - t;
  const width = end.x - start.x;
  const rise = end.y - start.y;
  const x = start.x + width * (1.5 * u * u * t + 1.5 * u * t * t + t * t * t);
  const y = start.y + rise * (3 * u * t * t + t * t * t);
  const dx = width * (1.5 * u * u + 1.5 * t * t);
  const dy = rise * 6 * u * t;
  const size = Math.hypot(dx, dy) || 1;
  return { x, y, slope: { x: dx / size, y: dy / size } };
}

/** The middle line itself, for an edge that is drawn dashed. */
export function linePath(line: readonly Point[]): string {
  return line.length < 2 ? "" : `M${at(line[0])}${curve(line)}`;
}

/** Between two points of one height a straight line, else a curve that begins and ends level. */
function curve(points: readonly Point[]): string {
  return points
    .slice(1)
    .map((point, index) => {
      const before = points[index] ?? point;
      if (Math.abs(before.y - point.y) < 0.5) return `L${at(point)}`;
      const middle = (before.x + point.x) / 2;
      return `C${round(middle)} ${round(before.y)} ${round(middle)} ${round(point.y)} ${at(point)}`;
    })
    .join("");
}

function at(point: Point | undefined): string {
  return point ? `${round(point.x)} ${round(point.y)}` : "";
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
