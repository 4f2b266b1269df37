/** What does the server say of a graph? The shapes of its answers, and an index over them. */

import type { components } from "@/api/schema";

type Schemas = components["schemas"];
export type Picture = Schemas["GraphPicture"];
export type GraphStage = Schemas["GraphStage"];
export type GraphEdge = Schemas["GraphEdge"];
export type GraphEvent = Schemas["GraphEvent"];
export type Figures = Schemas["PipelineFigures"];
export type StageFigures = Schemas["StageFigures"];
export type EdgeFigures = Schemas["EdgeFigures"];
export type RunOverlay = Schemas["RunOverlay"];
export type RunEdgeCounts = Schemas["RunEdgeCounts"];
export type VersionStop = Schemas["VersionStop"];
export type ConditionCode = Schemas["StageCondition"]["code"];

/** One line of the drawing: an edge and one of those that emit its event. */
export interface Strand {
  /** Unique in a picture. */
  id: string;
  edge: GraphEdge;
  /** The node it comes from: a stage, or the dot of a root. */
  from: string;
  /** The node it goes to: a stage, or the end of a leaf. */
  to: string;
  /** Its event and figures stand at the first strand of an edge alone. */
  labelled: boolean;
}

/** The name of the dot from which a root comes; no stage has such a name. */
export function rootNode(event: string): string {
  return `root:${event}`;
}

/** The name of the end of an event that nobody reads. */
export function leafNode(event: string): string {
  return `leaf:${event}`;
}

/** Which end of the picture a node is; undefined for a stage. */
export function endOf(node: string): "root" | "leaf" | undefined {
  if (node.startsWith(rootNode(""))) return "root";
  return node.startsWith(leafNode("")) ? "leaf" : undefined;
}

/** The strands of a picture: an edge has as many as its event has emitters, and at least one. */
export function strandsOf(picture: Picture): Strand[] {
  const known = new Set(picture.stages.map((stage) => stage.name));
  return picture.edges.flatMap((edge) => {
    const sources = edge.sources.filter((source) => known.has(source));
    const to = edge.target ?? leafNode(edge.event);
    const from = sources.length > 0 ? sources : [rootNode(edge.event)];
    return from.map((each, index) => ({
      id: `${each}|${edge.id}`,
      edge,
      from: each,
      to,
      labelled: index === 0,
    }));
  });
}
