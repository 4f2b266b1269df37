/** What of this pipeline needs somebody, worst first? */

import { useMemo } from "react";
import { type Trouble, useNeeds } from "@/live/needs";
import { epochMs, formatCount, formatRate } from "@/ui/format";
import { inNeed, lookOf } from "./conditions";
import type { Figures, Picture } from "./graphData";

/** The troubles that the stream tells; until it does, those of the figures. */
export function useTroubles(
  pipeline: string,
  picture: Picture | undefined,
  figures: Figures | undefined,
): Trouble[] {
  const { troubles } = useNeeds();
  return useMemo(() => {
    if (troubles.length > 0 || !picture || !figures) return troubles;
    return [
      ...inNeed(picture, figures.stages).map((name) => ofStage(pipeline, name, figures)),
      ...picture.stages.flatMap(({ name }) => ofLetters(pipeline, name, figures)),
    ];
  }, [troubles, pipeline, picture, figures]);
}

function ofStage(pipeline: string, name: string, figures: Figures): Trouble {
  const condition = figures.stages[name]?.condition;
  const look = lookOf(condition?.code ?? "on");
  return {
    key: `stage/${name}`,
    state: look.of,
    name,
    words: look.word,
    reason: [condition?.why, condition?.detail].filter(Boolean).join("; "),
    since: condition?.since ? epochMs(condition.since) : undefined,
    note: condition?.since ? undefined : "",
    to: `/pipelines/${pipeline}?stage=${encodeURIComponent(name)}`,
  };
}

function ofLetters(pipeline: string, name: string, figures: Figures): Trouble[] {
  const stage = figures.stages[name];
  if (!stage?.dead) return [];
  return [
    {
      key: `dead/${name}`,
      state: "dead",
      name,
      words: `${formatCount(stage.dead)}${stage.dead_more ? "+" : ""} dead`,
      reason: "open; repair, replay or discard",
      note: stage.dead_rate ? formatRate(stage.dead_rate) : "",
      to: `/dead-letters?pipeline=${pipeline}&stage=${encodeURIComponent(name)}`,
    },
  ];
}
