/** Runs for tests. */

import type { EdgeBalance, RunBalance, StageBalance } from "../model";

/** An edge; what is not said was handled. */
export function edge(
  eventType: string,
  stageName: string,
  emitted: number,
  parts: Record<string, number> = {},
  more: Partial<EdgeBalance> = {},
): EdgeBalance {
  const others = Object.values(parts).reduce((total, each) => total + each, 0);
  const all: Record<string, number> = {
    handled: emitted - others - (more.difference ?? 0),
    bypassed: 0,
    dropped: 0,
    filtered: 0,
    dead: 0,
    cancelled: 0,
    parked: 0,
    unread: 0,
    ...parts,
  };
  const inFlight = (all["parked"] ?? 0) + (all["unread"] ?? 0);
  return {
    event_type: eventType,
    stage: stageName,
    foreign: null,
    emitted,
    parts: all,
    settled: emitted - inFlight - (more.difference ?? 0),
    in_flight: inFlight,
    difference: 0,
    same_events: true,
    proven: true,
    oldest: 0.2,
    seconds_each: 0.000_012,
    rate: 4062,
    first: 1_764_426_580_000,
    last: 1_764_426_728_000,
    ...more,
  };
}

/** A stage that emits these events. */
export function stage(
  name: string,
  emitted: Record<string, number>,
  wentOn: number,
  consumed: number,
): StageBalance {
  const all = Object.values(emitted).reduce((total, each) => total + each, 0);
  return {
    name,
    emits: Object.keys(emitted),
    external: false,
    consumed,
    went_on: wentOn,
    emitted,
    ratio: wentOn > 0 && Object.keys(emitted).length > 0 ? all / wentOn : null,
    first: 1_764_426_580_000,
    last: 1_764_426_728_000,
  };
}

/** The run of the design's picture; `missing` events of `price` are in no book. */
export function shown(missing = 0): RunBalance {
  return {
    run: "k7mq2vtd4x3aa",
    pipeline: "order-lines",
    version: 7,
    status: "running",
    opened: 1_764_426_580_000,
    last: 1_764_426_728_000,
    closed: null,
    amended: 0,
    late: true,
    throttled: null,
    as_of: 1_764_426_728_000,
    root: { type: "feed.requested", topic: "order-lines.feed.requested", partition: 0, offset: 41 },
    expected_within: 120,
    expected_until: 1_764_426_700_000,
    fail_above: null,
    again: null,
    schedule: null,
    planned: null,
    events: 4_181_339,
    in_flight: 594_120,
    settled: 4_463_000,
    dead: 4686,
    difference: missing,
    proven: true,
    edges: [
      edge("feed.requested", "plan", 1),
      edge("chunk.planned", "ingest", 74, { unread: 13 }),
      edge("line.ingested", "validate", 1_211_185, { dead: 4686, unread: 1240 }),
      edge("line.validated", "enrich", 1_205_259, { unread: 323_953 }),
      edge("line.enriched", "price", 881_306, { unread: 192 }, { difference: missing }),
      edge("line.priced", "load", 881_114, { parked: 1304, unread: 267_330 }),
      edge("line.priced", "flag_coupon", 881_114, {
        dropped: 9688,
        filtered: 868_936,
        unread: 88,
      }),
    ],
    stages: [
      stage("plan", { "chunk.planned": 74 }, 1, 1),
      stage("ingest", { "line.ingested": 1_211_185 }, 61, 61),
      stage("validate", { "line.validated": 1_205_259 }, 1_205_259, 1_209_945),
      stage("enrich", { "line.enriched": 881_306 }, 881_306, 881_306),
      stage("price", { "line.priced": 881_114 }, 881_114 - missing, 881_114 - missing),
      stage("load", {}, 612_480, 613_784),
      stage("flag_coupon", { "coupon.exceeded": 2402 }, 2402, 881_026),
    ],
    leaves: [{ event_type: "coupon.exceeded", emitted: 2402 }],
    controls: ["switch/price=canary@1234", "throttle/validate@1240"],
    checks: { passed: 3 },
    shut: {},
    flags: {},
    problems: [],
    books: null,
  };
}
