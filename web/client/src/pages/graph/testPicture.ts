/** A small picture for tests: a chain with a fork, a leaf and a stage that drains. */

import type { Figures, GraphEdge, GraphStage, Picture, StageFigures } from "./graphData";

export function stage(name: string, over: Partial<GraphStage> = {}): GraphStage {
  return {
    name,
    run: `work.${name}:${name}`,
    lanes: 4,
    subscribes: [],
    emits: [],
    external: false,
    effects: false,
    batch: false,
    processes: 1,
    draining: null,
    mark: "",
    said: "",
    ...over,
  };
}

export function edge(
  event: string,
  sources: string[],
  target: string | null,
  over: Partial<GraphEdge> = {},
): GraphEdge {
  return {
    id: `${event}>${target ?? ""}`,
    event,
    sources,
    target,
    condition: "",
    draining: false,
    mark: "",
    said: "",
    ...over,
  };
}

export const picture: Picture = {
  stages: [
    stage("read"),
    stage("price"),
    stage("load"),
    stage("flag"),
    stage("small", { draining: 6 }),
  ],
  edges: [
    edge("asked", [], "read"),
    edge("line.read", ["read"], "price"),
    edge("line.priced", ["price"], "load"),
    edge("line.priced", ["price"], "flag"),
    edge("line.read", ["read"], "small", { draining: true }),
    edge("coupon.exceeded", ["flag"], null),
  ],
  events: [],
};

export function figuresOf(stages: Record<string, Partial<StageFigures>> = {}): Figures {
  const on = { code: "on", why: "", detail: "", since: null, until: null } as const;
  const whole = picture.stages.map(({ name }): [string, StageFigures] => [
    name,
    {
      condition: on,
      mode: "",
      lanes: 4,
      lanes_at_work: 4,
      workers: 1,
      parked: 0,
      parked_more: false,
      dead: 0,
      dead_more: false,
      ...stages[name],
    },
  ]);
  return {
    pipeline: "p",
    at: "2026-11-30T12:00:00Z",
    version: 7,
    stages: Object.fromEntries(whole),
    edges: {
      "line.priced>load": {
        rate_in: 4062,
        rate_out: 0,
        in_flight: 267330,
        exact: true,
        oldest_seconds: 63,
        trouble: stages["load"] !== undefined,
      },
      "line.read>price": {
        rate_in: 8210,
        rate_out: 8204,
        in_flight: 1240,
        exact: true,
        oldest_seconds: 0.2,
        trouble: false,
      },
    },
    has_rates: true,
  };
}
