/** Where do stages and edges stand? Layers from left to right, by dagre; no figure changes it. */

import { Graph, layout } from "@dagrejs/dagre";
import { BEND, NODE_ROOM } from "./layoutSizes";

/** What is laid out: sizes in px. */
export interface LayoutInput {
  nodes: { id: string; width: number; height: number }[];
  /** A strand of more weight is kept shorter and straighter. */
  strands: { id: string; from: string; to: string; labelWidth: number; weight: 1 | 4 }[];
}

export interface Point {
  x: number;
  y: number;
}

export interface NodePlace extends Point {
  width: number;
  height: number;
}

/** Nodes by their middle; a strand from the right of a node to the left of the next. */
export interface Layout {
  width: number;
  height: number;
  nodes: Record<string, NodePlace>;
  /** The middle line of each strand, from left to right, and the middle of its label. */
  strands: Record<string, { points: Point[]; label: Point }>;
}

const LABEL_HEIGHT = 92;
const MARGIN = 24;

/** Up to so many nodes several layouts are tried; more would keep the reader waiting. */
const FEW = 60;
const ALIGNMENTS = ["UL", "UR", "DL", "DR"] as const;

/** Lay a graph out. The same graph is laid out in the same way. */
export function layoutGraph(input: LayoutInput): Layout {
  const tried = input.nodes.length > FEW ? ALIGNMENTS.slice(0, 1) : ALIGNMENTS;
  const layouts = tried.map((align) => layoutAligned(input, align));
  const best = layouts.reduce((one, other) =>
    bends(input, other) < bends(input, one) ? other : one,
  );
  return lightAbove(input, best) ? mirrored(best) : best;
}

/** How much is not level, heavy strands most. */
function bends({ strands }: LayoutInput, { nodes }: Layout): number {
  return strands.reduce((sum, { from, to, weight }) => {
    const rise = Math.abs((nodes[from]?.y ?? 0) - (nodes[to]?.y ?? 0));
    return sum + (rise < 1 ? 0 : weight);
  }, 0);
}

/** True if more of what drains stands above its source than below. */
function lightAbove({ strands }: LayoutInput, { nodes }: Layout): boolean {
  const sides = strands
    .filter(({ weight }) => weight === 1)
    .map(({ from, to }) => Math.sign((nodes[to]?.y ?? 0) - (nodes[from]?.y ?? 0)));
  return sides.reduce((sum, side) => sum + side, 0) < 0;
}

/** The same, upside down. */
function mirrored({ width, height, nodes, strands }: Layout): Layout {
  const flip = <P extends Point>(point: P): P => ({ ...point, y: height - point.y });
  return {
    width,
    height,
    nodes: Object.fromEntries(Object.entries(nodes).map(([id, place]) => [id, flip(place)])),
    strands: Object.fromEntries(
      Object.entries(strands).map(([id, { points, label }]) => [
        id,
        { points: points.map(flip), label: flip(label) },
      ]),
    ),
  };
}

function layoutAligned(input: LayoutInput, align: (typeof ALIGNMENTS)[number]): Layout {
  const graph = new Graph({ multigraph: true });
  graph.setGraph({
    rankdir: "LR",
    align,
    nodesep: 8,
    edgesep: 8,
    ranksep: 12,
    marginx: MARGIN,
    marginy: 8,
    ranker: "network-simplex",
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, width, height } of input.nodes)
    graph.setNode(id, { width, height: height + 2 * roomOf(height) });
  for (const { id, from, to, labelWidth, weight } of input.strands)
    graph.setEdge(from, to, { width: labelWidth, height: LABEL_HEIGHT, labelpos: "c", weight }, id);
  layout(graph);

  const nodes: Record<string, NodePlace> = {};
  for (const { id, width, height } of input.nodes) {
    const { x, y } = graph.node(id) as Point;
    nodes[id] = { x, y, width, height };
  }
  const strands: Layout["strands"] = {};
  for (const { id, from, to, labelWidth } of input.strands) {
    const { points, x, y } = graph.edge(from, to, id) as { points: Point[] } & Point;
    const label = { x, y };
    strands[id] = { points: middleLine(nodes, from, to, points, label, labelWidth), label };
  }
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return { width, height, nodes, strands };
}

function roomOf(height: number): number {
  return height > 20 ? NODE_ROOM : 12;
}

/** From port to port, straight where the label stands. */
function middleLine(
  nodes: Record<string, NodePlace>,
  from: string,
  to: string,
  points: readonly Point[],
  laid: Point,
  labelWidth: number,
): Point[] {
  const source = nodes[from];
  const target = nodes[to];
  if (!source || !target) return [];
  const start = { x: source.x + source.width / 2, y: source.y };
  const end = { x: target.x - target.width / 2, y: target.y };
  const before = bendBetween(start, laid);
  const after = bendBetween(laid, end);
  const left = { x: Math.max(laid.x - labelWidth / 2 + before, start.x), y: laid.y };
  const right = { x: Math.min(laid.x + labelWidth / 2 - after, end.x), y: laid.y };
  const between = points.slice(1, -1);
  return [
    start,
    ...between.filter((point) => point.x < left.x - BEND && point.x > start.x + 1),
    left,
    right,
    ...between.filter((point) => point.x > right.x + BEND && point.x < end.x - 1),
    end,
  ];
}

function bendBetween(one: Point, other: Point): number {
  return Math.abs(one.y - other.y) < 1 ? 0 : BEND;
}
