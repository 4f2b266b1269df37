/** Where does the timeline of a run draw each stage? */

import type { Timeline } from "./model";

export const LEFT = 120; // px for the names
const ROW = 32; // px a stage
const FIRST = 49; // px to the first base line
const TALL = 25; // px of the highest slice

/** The area of one stage. */
export interface StageArea {
  stage: string;
  /** The y of its base line. */
  base: number;
  path: string;
  /** The most that it settled a second. */
  peak: number;
}

export interface TimelineShape {
  width: number;
  height: number;
  areas: StageArea[];
  /** Moments with a line, in ms of the epoch, and where. */
  ticks: { at: number; x: number }[];
  xOf(at: number): number;
}

/** Lays the stages out below each other; each has its own scale, since rates differ a thousandfold. */
export function timelineShape(
  timeline: Timeline,
  order: readonly string[],
  end: number,
  width: number,
): TimelineShape {
  const span = Math.max(timeline.width, end - timeline.start);
  const right = width - 12;
  const xOf = (at: number) => LEFT + ((right - LEFT) * (at - timeline.start)) / span;
  const known = order.filter((stage) => timeline.stages[stage] !== undefined);
  const others = Object.keys(timeline.stages).filter((stage) => !order.includes(stage));
  const stages = [...known, ...others];
  const areas = stages.map((stage, index) => {
    const base = FIRST + ROW * index;
    const counts = timeline.stages[stage] ?? [];
    return {
      stage,
      base,
      path: areaPath(counts, base, timeline, xOf, end),
      peak: Math.max(0, ...counts) / (timeline.width / 1000),
    };
  });
  return {
    width,
    height: FIRST + ROW * stages.length,
    areas,
    ticks: ticks(timeline, span, xOf),
    xOf,
  };
}

/** Steps: as high as what was settled in each slice; empty slices are on the base line. */
function areaPath(
  counts: readonly number[],
  base: number,
  timeline: Timeline,
  xOf: (at: number) => number,
  end: number,
): string {
  const most = Math.max(...counts, 1);
  let path = "";
  counts.forEach((count, index) => {
    if (count <= 0) return;
    const from = timeline.start + index * timeline.width;
    const left = xOf(from);
    const right = Math.max(left + 2, xOf(Math.min(end, from + timeline.width)));
    const high = Math.max(1.5, (TALL * count) / most);
    path += `M${left.toFixed(1)} ${base}V${(base - high).toFixed(1)}H${right.toFixed(1)}V${base}z`;
  });
  return path;
}

const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400,
];

function ticks(timeline: Timeline, span: number, xOf: (at: number) => number) {
  const step = 1000 * (STEPS.find((each) => span / 1000 / each <= 6) ?? 604_800);
  const found: { at: number; x: number }[] = [];
  for (let at = Math.ceil(timeline.start / step) * step; at <= timeline.start + span; at += step)
    if (found.length < 12) found.push({ at, x: xOf(at) });
  return found;
}
