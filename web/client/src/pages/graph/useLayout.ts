/** How does a page get a layout, once for each graph? */

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { type Picture, rootNode, type Strand, strandsOf } from "./graphData";
import type { Layout, LayoutInput } from "./layoutGraph";
import { BEND } from "./layoutSizes";
import { textWidth } from "./textWidth";

/** The nodes and strands of a picture, and where they stand; undefined until that is known. */
export interface LaidOut {
  strands: Strand[];
  layout: Layout;
}

const STAGE_HEIGHT = 44;
const FIGURES_WIDTH = 94;

/** Lay a picture out in a worker. A layout is kept for half an hour: it changes with the structure
 * alone, not with figures. */
export function useLayout(picture: Picture): LaidOut | undefined {
  const strands = useMemo(() => strandsOf(picture), [picture]);
  const input = useMemo(() => layoutInput(picture, strands), [picture, strands]);
  const { data: layout } = useQuery({
    queryKey: ["layout", keyOf(input)],
    queryFn: ({ signal }) => layoutInWorker(input, signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 30 * 60_000,
    retry: false,
  });
  return useMemo(() => (layout ? { strands, layout } : undefined), [strands, layout]);
}

/** What is laid out of a picture. */
export function layoutInput(picture: Picture, strands: readonly Strand[]): LayoutInput {
  const stages = [...picture.stages].sort(
    (a, b) => Number(a.draining !== null) - Number(b.draining !== null),
  );
  const nodes: LayoutInput["nodes"] = stages.map((stage) => ({
    id: stage.name,
    width: stageWidth(stage.name),
    height: STAGE_HEIGHT,
  }));
  const ends = new Set<string>();
  for (const { edge, from, to } of strands) {
    if (from === rootNode(edge.event)) ends.add(from);
    if (edge.target === null) ends.add(to);
  }
  for (const id of ends) nodes.push({ id, width: 10, height: 10 });
  const inOrder = [...strands].sort((a, b) => lasting(a) - lasting(b));
  const out = countBy(strands.map((strand) => strand.from));
  const into = countBy(strands.map((strand) => strand.to));
  return {
    nodes,
    strands: inOrder.map(({ id, from, to, edge, labelled }) => {
      const bends = (out.get(from) ?? 0) > 1 || (into.get(to) ?? 0) > 1;
      const words = labelled ? Math.max(FIGURES_WIDTH, textWidth(edge.event, "11px") + 12) : 20;
      return {
        id,
        from,
        to,
        weight: edge.draining || edge.mark === "-" ? 1 : 4,
        labelWidth: words + (bends ? 2 * BEND : 0),
      };
    }),
  };
}

/** What drains or is gone branches off below what stays. */
function lasting({ edge }: Strand): number {
  return edge.draining || edge.mark === "-" ? 1 : 0;
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** Wide enough for the name and for a state below it. */
function stageWidth(name: string): number {
  return Math.max(84, Math.ceil(textWidth(name, "600 13px") / 4) * 4 + 24);
}

/** A short key for a structure; FNV-1a over its JSON. */
function keyOf(input: LayoutInput): string {
  let hash = 0x811c9dc5;
  for (const character of JSON.stringify(input))
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return `${input.nodes.length}-${input.strands.length}-${(hash >>> 0).toString(36)}`;
}

async function layoutInWorker(input: LayoutInput, signal: AbortSignal): Promise<Layout> {
  // Only where tests run there are no workers: no browser is sent the layout a second time.
  if (!import.meta.env.PROD && typeof Worker === "undefined")
    return (await import("./layoutGraph")).layoutGraph(input);
  const worker = new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" });
  try {
    return await new Promise<Layout>((resolve, reject) => {
      worker.onmessage = (event: MessageEvent<Layout>) => resolve(event.data);
      worker.onerror = (event) => reject(new Error(event.message || "the layout failed"));
      signal.addEventListener("abort", () => reject(new Error("not wanted any more")));
      worker.postMessage(input);
    });
  } finally {
    worker.terminate();
  }
}
