/** Which stage is next when a person walks through the graph by keys? */

import type { Picture } from "./graphData";
import type { LaidOut } from "./useLayout";

export type Step = "right" | "left" | "up" | "down" | "next" | "previous";

/** The next stage; undefined at an end. Right and left follow edges, up and down go to the nearest
 * stage above or below, next and previous go in the order in which events flow. */
export function nextStage(
  picture: Picture,
  { strands, layout }: LaidOut,
  from: string,
  step: Step,
): string | undefined {
  const names = picture.stages.map((stage) => stage.name);
  const place = layout.nodes[from];
  if (step === "next" || step === "previous")
    return names[names.indexOf(from) + (step === "next" ? 1 : -1)];
  if (!place) return undefined;
  const distance = (name: string) => {
    const other = layout.nodes[name];
    const away = picture.stages.some((each) => each.name === name && each.draining !== null)
      ? 1
      : 0;
    return other ? away + Math.hypot((other.x - place.x) / 4, other.y - place.y) : Number.MAX_VALUE;
  };
  const nearest = (some: string[]) => some.sort((a, b) => distance(a) - distance(b))[0];
  if (step === "right")
    return nearest(strands.filter((s) => s.from === from && names.includes(s.to)).map((s) => s.to));
  if (step === "left")
    return nearest(
      strands.filter((s) => s.to === from && names.includes(s.from)).map((s) => s.from),
    );
  return nearest(
    names.filter((name) => {
      const y = layout.nodes[name]?.y ?? place.y;
      return step === "up" ? y < place.y - 1 : y > place.y + 1;
    }),
  );
}
