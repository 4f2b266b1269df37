/** What is new, changed or gone between two graphs of a pipeline, and where does each part stand? */

import type { components } from "@/api/schema";

export type Graph = components["schemas"]["DraftGraph"];
export type Mark = "same" | "new" | "changed" | "lost";

/** A stage with its place, in px. */
export interface PlacedStage {
  name: string;
  mark: Mark;
  x: number;
  y: number;
  width: number;
}

/** An event on its way from a stage, or from outside, to a stage. */
export interface PlacedEdge {
  event: string;
  from: string | undefined;
  to: string;
  mark: "same" | "new" | "lost";
}

export interface PlacedGraph {
  stages: PlacedStage[];
  edges: PlacedEdge[];
  /** The place of each event that comes from outside, by its name. */
  roots: Map<string, { x: number; y: number }>;
  width: number;
  height: number;
}

const WAY_LABEL = 14; // px for the words of an edge that is gone, below its way
export const NODE_HEIGHT = 30;
const ROW = 62;
const TOP = 40;
const LEFT = 14;

interface Edge {
  event: string;
  from: string | undefined;
  to: string;
}

/** The edges of a graph: each event and each of its readers. */
export function edgesOf(graph: Graph): Edge[] {
  const emitters = new Map<string, string[]>();
  for (const stage of graph.stages)
    for (const event of stage.emits)
      emitters.set(event, [...(emitters.get(event) ?? []), stage.name]);
  return graph.stages.flatMap((stage) =>
    stage.subscribes.flatMap((event): Edge[] =>
      (emitters.get(event) ?? [undefined]).map((from) => ({ event, from, to: stage.name })),
    ),
  );
}

/** Both graphs in one, with what each part is in `draft` compared with `before`. */
export function compareGraphs(
  before: Graph | undefined,
  draft: Graph,
): { stages: { name: string; mark: Mark }[]; edges: PlacedEdge[] } {
  const was = new Map(before?.stages.map((stage) => [stage.name, stage]));
  const names = new Set(draft.stages.map((stage) => stage.name));
  const stages = draft.stages.map((stage): { name: string; mark: Mark } => {
    const old = was.get(stage.name);
    if (!before) return { name: stage.name, mark: "same" };
    if (!old) return { name: stage.name, mark: "new" };
    return { name: stage.name, mark: sameWiring(old, stage) ? "same" : "changed" };
  });
  const lost = [...was.keys()].filter((name) => !names.has(name));
  const key = (edge: Edge) => `${edge.from ?? ""}\n${edge.event}\n${edge.to}`;
  const edgesBefore = new Map((before ? edgesOf(before) : []).map((edge) => [key(edge), edge]));
  const edges = edgesOf(draft).map((edge): PlacedEdge => {
    const old = edgesBefore.delete(key(edge));
    return { ...edge, mark: old || !before ? "same" : "new" };
  });
  const gone = [...edgesBefore.values()].map((edge): PlacedEdge => ({ ...edge, mark: "lost" }));
  return {
    stages: [...stages, ...lost.map((name) => ({ name, mark: "lost" as const }))],
    edges: [...edges, ...gone],
  };
}

/** The comparison laid out in layers from left to right. */
export function placeGraph(before: Graph | undefined, draft: Graph): PlacedGraph {
  const { stages, edges } = compareGraphs(before, draft);
  const layers = layersOf(
    stages.map((stage) => stage.name),
    edges,
  );
  const columns: string[][] = [];
  for (const { name } of stages) {
    const layer = layers.get(name) ?? 0;
    columns[layer] = [...(columns[layer] ?? []), name];
  }
  const widths = new Map(stages.map(({ name }) => [name, nodeWidth(name)]));
  const marks = new Map(stages.map(({ name, mark }) => [name, mark]));
  const order = orderColumns(columns, edges, marks);
  const xs = columnPlaces(order, widths, edges, layers);
  const placed = new Map<string, PlacedStage>();
  order.forEach((column, layer) => {
    column.forEach((name, row) => {
      placed.set(name, {
        name,
        mark: marks.get(name) ?? "same",
        x: xs[layer] ?? 0,
        y: TOP + row * ROW,
        width: widths.get(name) ?? 0,
      });
    });
  });
  const roots = new Map<string, { x: number; y: number }>();
  for (const edge of edges) {
    const reader = placed.get(edge.to);
    if (edge.from !== undefined || !reader || roots.has(edge.event)) continue;
    roots.set(edge.event, { x: reader.x - 26, y: reader.y + NODE_HEIGHT / 2 });
  }
  const all = [...placed.values()];
  const ways = edges.filter(isBelow(placed)).map(({ from, to }) => wayDepth(placed, from, to));
  return {
    stages: all,
    edges,
    roots,
    width: Math.max(0, ...all.map((stage) => stage.x + stage.width)) + 14,
    height: Math.max(
      Math.max(0, ...all.map((stage) => stage.y)) + NODE_HEIGHT + 30,
      ...ways.map((depth) => depth + WAY_LABEL),
    ),
  };
}

/** True for an edge that is gone between two stages that stay: its way leads below the row. */
function isBelow(stages: ReadonlyMap<string, PlacedStage>) {
  return ({ mark, from, to }: PlacedEdge) =>
    mark === "lost" && from !== undefined && stages.get(to)?.mark !== "lost";
}

/** How deep the way of such an edge leads; its words stand there. */
export function wayDepth(
  stages: ReadonlyMap<string, PlacedStage>,
  from: string | undefined,
  to: string,
): number {
  const bottoms = [from ?? to, to].map((name) => (stages.get(name)?.y ?? 0) + NODE_HEIGHT);
  return Math.max(...bottoms) + 42;
}

/** The width of a node for its name, in px. */
export function nodeWidth(name: string): number {
  return Math.round(16 + name.length * 6.5);
}

/** The longest way to each stage; a cycle is followed once. */
function layersOf(names: readonly string[], edges: readonly Edge[]): Map<string, number> {
  const incoming = new Map<string, string[]>();
  for (const { from, to } of edges)
    if (from !== undefined && from !== to) incoming.set(to, [...(incoming.get(to) ?? []), from]);
  const layers = new Map<string, number>();
  const open = new Set<string>();
  const layer = (name: string): number => {
    const known = layers.get(name);
    if (known !== undefined) return known;
    if (open.has(name)) return -1;
    open.add(name);
    const found = 1 + Math.max(-1, ...(incoming.get(name) ?? []).map(layer));
    open.delete(name);
    layers.set(name, found);
    return found;
  };
  names.forEach(layer);
  return layers;
}

/** Stages of a layer in the order of what they read; what is lost comes last. */
function orderColumns(
  columns: readonly string[][],
  edges: readonly Edge[],
  marks: ReadonlyMap<string, Mark>,
): string[][] {
  const rows = new Map<string, number>();
  return Array.from(columns, (column) => {
    const weight = (name: string) => {
      const above = edges
        .filter((edge) => edge.to === name && edge.from !== undefined)
        .map((edge) => rows.get(edge.from ?? "") ?? 0);
      const mean = above.length ? above.reduce((a, b) => a + b, 0) / above.length : 0;
      return mean + (marks.get(name) === "lost" ? 0.5 : 0);
    };
    const sorted = [...(column ?? [])].sort((a, b) => weight(a) - weight(b));
    for (const [row, name] of sorted.entries()) rows.set(name, row);
    return sorted;
  });
}

/** The left of each layer: further apart where the name of an event stands between two. */
function columnPlaces(
  columns: readonly string[][],
  widths: ReadonlyMap<string, number>,
  edges: readonly PlacedEdge[],
  layers: ReadonlyMap<string, number>,
): number[] {
  const places: number[] = [];
  let x = LEFT + 26;
  columns.forEach((column, layer) => {
    places.push(x);
    const widest = Math.max(0, ...column.map((name) => widths.get(name) ?? 0));
    const labels = edges
      .filter((edge) => edge.mark === "new" && layers.get(edge.to) === layer + 1)
      .map((edge) => edge.event.length * 5.5 + 16);
    x += widest + Math.max(22, ...labels);
  });
  return places;
}

function sameWiring(a: Graph["stages"][number], b: Graph["stages"][number]): boolean {
  const said = (stage: Graph["stages"][number]) =>
    JSON.stringify([stage.subscribes, stage.emits, stage.run, Object.entries(stage.when).sort()]);
  return said(a) === said(b);
}
