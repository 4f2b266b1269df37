/** Which part of a picture is seen, and how large? */

import { endOf } from "./graphData";
import type { Layout, NodePlace, Point } from "./layoutGraph";

/** The point (px, py) of the picture stands at (x + zoom · px, y + zoom · py) of its box, in px. */
export interface Viewport extends Point {
  zoom: number;
}

export interface Size {
  width: number;
  height: number;
}

export const SMALLEST = 0.2;
export const LARGEST = 2;
/** Reasons, counts and labels stand so far beside their stage, in px of the picture. */
const BESIDE = 120;

/** The same picture moved by the way between two points of its box. */
export function panned(viewport: Viewport, from: Point, to: Point): Viewport {
  return { ...viewport, x: viewport.x + to.x - from.x, y: viewport.y + to.y - from.y };
}

/** The picture `factor` times as large, within the limits; what stands at `fixed` stays there. */
export function zoomed(viewport: Viewport, factor: number, fixed: Point): Viewport {
  const zoom = clamp(viewport.zoom * factor, SMALLEST, LARGEST);
  const grown = zoom / viewport.zoom;
  return {
    x: fixed.x - (fixed.x - viewport.x) * grown,
    y: fixed.y - (fixed.y - viewport.y) * grown,
    zoom,
  };
}

/** Two fingers: one rests, the other goes. The picture follows both. */
export function pinched(viewport: Viewport, resting: Point, from: Point, to: Point): Viewport {
  const before = Math.max(1, Math.hypot(from.x - resting.x, from.y - resting.y));
  const after = Math.hypot(to.x - resting.x, to.y - resting.y);
  return zoomed(viewport, after / before, resting);
}

/** All of a picture in the middle of its box; never larger than 100 %. */
export function fitted(layout: Size, size: Size): Viewport {
  const room = Math.min(size.width / layout.width, size.height / layout.height);
  const zoom = clamp(room, SMALLEST, 1);
  return {
    x: (size.width - layout.width * zoom) / 2,
    y: (size.height - layout.height * zoom) / 2,
    zoom,
  };
}

/** Where a picture begins: in the middle if it fits, else at its left end, or at the node that is
 * chosen. It is never shrunk. */
export function startOf(layout: Layout, size: Size, chosen: NodePlace | undefined): Viewport {
  const first = chosen ?? firstNode(layout);
  const x =
    layout.width <= size.width
      ? (size.width - layout.width) / 2
      : chosen
        ? clamp(size.width / 2 - chosen.x, size.width - layout.width, 0)
        : 0;
  const y =
    layout.height <= size.height
      ? (size.height - layout.height) / 2
      : clamp(size.height / 2 - (first?.y ?? 0), size.height - layout.height, 0);
  return { x, y, zoom: 1 };
}

/** The same if a point of the picture is well in sight, else with that point in the middle. */
export function showing(viewport: Viewport, point: Point, size: Size): Viewport {
  const { zoom } = viewport;
  const x = point.x * zoom + viewport.x;
  const y = point.y * zoom + viewport.y;
  if (x > 60 && x < size.width - 60 && y > 40 && y < size.height - 40) return viewport;
  return { x: size.width / 2 - point.x * zoom, y: size.height / 2 - point.y * zoom, zoom };
}

/** Whether something of what spans these points, with what stands beside it, is in sight. */
export function isInSight(points: readonly Point[], viewport: Viewport, size: Size): boolean {
  const left = -viewport.x / viewport.zoom - BESIDE;
  const top = -viewport.y / viewport.zoom - BESIDE;
  const right = left + size.width / viewport.zoom + 2 * BESIDE;
  const bottom = top + size.height / viewport.zoom + 2 * BESIDE;
  const xs = points.map((point) => point.x);
  const ys = points.map((point) => point.y);
  return (
    Math.max(...xs) > left &&
    Math.min(...xs) < right &&
    Math.max(...ys) > top &&
    Math.min(...ys) < bottom
  );
}

function firstNode(layout: Layout): NodePlace | undefined {
  const entries = Object.entries(layout.nodes);
  return (entries.find(([id]) => endOf(id) === "root") ?? entries[0])?.[1];
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
