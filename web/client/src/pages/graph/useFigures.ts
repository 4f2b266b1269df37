/** What flows on the graph now? From the stream; from one answer until the stream has told it. */

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { get } from "@/api/client";
import { useLive } from "@/live/useLive";
import type { EdgeFigures, Figures, StageFigures } from "./graphData";

/** The figures of a pipeline; undefined while they are not known, and if they are not wanted. */
export function useFigures(pipeline: string, wanted: boolean): Figures | undefined {
  const rows = useLive<unknown>(wanted ? `stages/${pipeline}` : undefined);
  const letters = useLive<OpenLetters>(wanted ? "letters" : undefined);
  const live = useMemo(() => rows && figuresOfRows(pipeline, rows), [pipeline, rows]);
  const { data } = useQuery({
    queryKey: ["figures", pipeline],
    queryFn: ({ signal }) =>
      get("/api/v1/pipelines/{pipeline}/figures", { path: { pipeline }, signal }),
    enabled: wanted && !live,
    refetchInterval: 3_000,
    staleTime: 1_000,
  });
  const found = live ?? data;
  return useMemo(
    () => (wanted && found ? withLetters(found, letters) : undefined),
    [wanted, found, letters],
  );
}

/** A row of the view `letters`. */
interface OpenLetters {
  count: number;
  more: boolean;
}

/** The figures with the dead letters that the stream knows of, which are newer: the page has one
 * number of them. */
export function withLetters(
  figures: Figures,
  letters: ReadonlyMap<string, OpenLetters> | undefined,
): Figures {
  if (!letters) return figures;
  const stages = Object.entries(figures.stages).map(([name, stage]) => {
    const { count: dead = 0, more: dead_more = false } =
      letters.get(`${figures.pipeline}/${name}`) ?? {};
    // The same object where nothing differs: then its stage is not drawn again.
    const same = dead === stage.dead && dead_more === stage.dead_more;
    return [name, same ? stage : { ...stage, dead, dead_more }];
  });
  return { ...figures, stages: Object.fromEntries(stages) };
}

/** The rows `pipeline`, `stage/NAME` and `edge/EVENT>STAGE` as one answer; undefined before the first. */
export function figuresOfRows(
  pipeline: string,
  rows: ReadonlyMap<string, unknown>,
): Figures | undefined {
  const whole = rows.get("pipeline") as Pick<Figures, "version" | "has_rates"> | undefined;
  if (!whole) return undefined;
  const stages: Record<string, StageFigures> = {};
  const edges: Record<string, EdgeFigures> = {};
  for (const [key, row] of rows) {
    if (key.startsWith("stage/")) stages[key.slice(6)] = row as StageFigures;
    if (key.startsWith("edge/")) edges[key.slice(5)] = row as EdgeFigures;
  }
  return { pipeline, at: "", stages, edges, ...whole };
}
