/** Which state does a condition have in the pictures and tables? */

import { type StateName, states, type Tone } from "@/ui/State";
import type { ConditionCode, EdgeFigures, Picture, StageFigures } from "./graphData";

const NAMES: Record<ConditionCode, StateName> = {
  on: "on",
  hold: "held",
  waiting: "waiting",
  throttled: "throttled",
  late: "late",
  unworked: "unworked",
  "no worker": "unworked",
  stopped: "stuck",
  bypass: "bypass",
  shadow: "shadow",
  canary: "canary",
  draining: "draining",
  gated: "waiting",
  gate: "waiting",
};

export interface Look {
  of: StateName;
  word: string;
  tone: Tone;
  /** True if the stage does not take what comes. */
  stands: boolean;
}

/** Icon, word and tone of a condition. */
export function lookOf(code: ConditionCode): Look {
  const of = NAMES[code];
  const { word, tone } = states[of];
  if (code === "no worker") return { of, word: "no worker", tone: "quiet", stands: false };
  if (code === "gated") return { of, word: "gate shut", tone, stands: true };
  if (code === "gate") return { of, word: "gate waits", tone, stands: true };
  if (code === "stopped") return { of, word: "stopped", tone: "late", stands: true };
  return { of, word, tone, stands: tone === "wait" || tone === "late" };
}

/** The tone of an edge: that of a reader that does not take what comes. */
export function edgeTone(
  figures: EdgeFigures | undefined,
  reader: StageFigures | undefined,
): "wait" | "late" | undefined {
  if (!figures?.trouble || !reader) return undefined;
  const { tone } = lookOf(reader.condition.code);
  return tone === "wait" || tone === "late" ? tone : undefined;
}

/** The largest rate of a picture, by which all edges are drawn; 0 if no rate is known. */
export function fastestRate(edges: Record<string, EdgeFigures>): number {
  return Math.max(
    0,
    ...Object.values(edges).flatMap((edge) => [edge.rate_in ?? 0, edge.rate_out ?? 0]),
  );
}

/** The stages in the order in which they need somebody, the worst first; without those that do not. */
export function inNeed(picture: Picture, stages: Record<string, StageFigures>): string[] {
  const rank = ["stopped", "waiting", "gated", "unworked", "late", "hold", "throttled"];
  return picture.stages
    .map((stage) => stage.name)
    .filter((name) => rank.includes(stages[name]?.condition.code ?? ""))
    .sort(
      (a, b) =>
        rank.indexOf(stages[a]?.condition.code ?? "") -
        rank.indexOf(stages[b]?.condition.code ?? ""),
    );
}
