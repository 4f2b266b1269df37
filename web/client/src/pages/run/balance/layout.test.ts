import { expect, test } from "vitest";
import type { EdgeBalance, RunBalance, StageBalance } from "../model";
import { LEAST_GAP, layoutBalance, THIN } from "./layout";
import { edge, shown, stage } from "./made";

/** A generator of numbers that are the same in each run of the tests. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

/** A pipeline in which each stage may have two readers, with all outcomes on each edge. */
function made(seed: number): Pick<RunBalance, "stages" | "edges" | "leaves"> {
  const below = random(seed);
  const stages: StageBalance[] = [];
  const edges: EdgeBalance[] = [];
  const grow = (eventType: string, emitted: number, depth: number) => {
    const readers = depth === 0 ? 1 : 1 + below(2);
    for (let number = 0; number < readers; number += 1) {
      const name = `${eventType}-${number}`;
      let left = emitted;
      const take = (share: number) => {
        const taken = below(share) === 0 ? below(left + 1) : below(Math.min(left, 3) + 1);
        left -= taken;
        return taken;
      };
      const [unread, dead, filtered, dropped, parked] = [
        take(4),
        take(5),
        take(4),
        take(5),
        take(6),
      ];
      const goes = depth < 3 && below(5) > 0;
      const ratio = [1, 1, 3, 0.5][below(4)] ?? 1;
      const out = Math.round(left * ratio);
      edges.push(edge(eventType, name, emitted, { unread, dead, filtered, dropped, parked }));
      stages.push(stage(name, goes ? { [`e-${name}`]: out } : {}, left, emitted - unread));
      if (goes) grow(`e-${name}`, out, depth + 1);
    }
  };
  grow("root", 1 + below(5), 0);
  return { stages, edges, leaves: [] };
}

const seeds = Array.from({ length: 60 }, (_, seed) => seed + 1);

test.each(seeds)("both sides of each bar are equally high (pipeline %i)", (seed) => {
  for (const bar of layoutBalance(made(seed), 1392).bars)
    expect(bar.outHeight).toBeCloseTo(bar.inHeight, 6);
});

test.each(seeds)("what is thin is drawn 2 px thick and not counted (pipeline %i)", (seed) => {
  const picture = layoutBalance(made(seed), 1392);
  for (const end of picture.ends) {
    const exact = end.events * picture.scale;
    expect(end.drawn).toBeGreaterThanOrEqual(THIN);
    expect(end.height).toBe(exact < THIN ? 0 : exact);
  }
});

test.each(seeds)("no bar stands on another, and all is inside (pipeline %i)", (seed) => {
  const picture = layoutBalance(made(seed), 1392);
  for (const bar of picture.bars) {
    expect(bar.x).toBeGreaterThan(0);
    expect(bar.y + bar.height).toBeLessThanOrEqual(picture.height);
    const above = picture.bars.filter((other) => other.x === bar.x && other.y < bar.y);
    for (const other of above) expect(other.y + other.height).toBeLessThan(bar.y - 20);
  }
});

test("an event that two stages read has two ribbons from the same place", () => {
  const { ribbons } = layoutBalance(shown(), 1392);
  const priced = ribbons.filter((ribbon) => ribbon.edge.event_type === "line.priced");
  expect(priced.map((ribbon) => ribbon.edge.stage)).toEqual(["load", "flag_coupon"]);
  const [load, flag] = priced;
  expect(load?.points[0]).toEqual(flag?.points[0]);
  expect(load?.points.at(-1)?.y).toBe(load?.points[0]?.y);
  expect(flag?.points.at(-1)?.y ?? 0).toBeGreaterThan((load?.points.at(-1)?.y ?? 0) + 128);
});

test("roots and chunks are lines, and a fan of dots says that one became many", () => {
  const { ribbons, fans, bars } = layoutBalance(shown(), 1392);
  const lines = ribbons.filter((ribbon) => ribbon.isLine).map((ribbon) => ribbon.edge.event_type);
  expect(lines).toEqual(["feed.requested", "chunk.planned"]);
  const ingest = bars.find((bar) => bar.stage.name === "ingest");
  const fan = fans.find((each) => each.to[0].x === ingest?.x);
  expect(fan?.from[0].y).toBe(fan?.from[1].y);
  expect((fan?.to[1].y ?? 0) - (fan?.to[0].y ?? 0)).toBeCloseTo(128, 0);
});

test("what nobody accounts for is a gap of at least 4 px", () => {
  const { ribbons } = layoutBalance(shown(412), 1392);
  const gaps = ribbons.filter((ribbon) => ribbon.gap > 0);
  expect(gaps.map((ribbon) => ribbon.edge.stage)).toEqual(["price"]);
  expect(gaps[0]?.gap).toBe(LEAST_GAP);
});

test("the widest edge is 128 px, and a run of three events is no wall", () => {
  const widest = Math.max(...layoutBalance(shown(), 1392).bars.map((bar) => bar.height));
  expect(widest).toBeCloseTo(128, 0);
  const small = {
    stages: [stage("plan", { made: 3 }, 1, 1), stage("load", {}, 3, 3)],
    edges: [edge("asked", "plan", 1), edge("made", "load", 3)],
    leaves: [],
  };
  expect(Math.max(...layoutBalance(small, 1392).bars.map((bar) => bar.height))).toBe(24);
});

test("what no stage has taken yet stands hatched before its bar, as thick as what was emitted", () => {
  const waits = {
    stages: [stage("check", { "order.checked": 1 }, 1, 1), stage("price", {}, 0, 0)],
    edges: [edge("order.placed", "check", 1), edge("order.checked", "price", 1, { unread: 1 })],
    leaves: [],
  };
  const { ribbons, notes, bars } = layoutBalance(waits, 1392, () => 1);
  const [root, open] = ribbons;
  expect(open).toMatchObject({ isLine: false, flow: 0, unread: root?.flow });
  expect(open?.points[0]?.y).toBe(open?.points.at(-1)?.y); // level with where it left
  expect(notes.map((note) => note.edge.event_type)).toEqual(["order.checked"]);
  expect(bars[1]?.y).toBe(bars[0]?.y);
});

test("the words of a line with two readers stand above it: below, the second way comes down", () => {
  const fork = {
    stages: [
      stage("check", { "order.checked": 1 }, 1, 1),
      stage("unpack", { box: 1200 }, 1, 1),
      stage("ship", {}, 1200, 1200),
      stage("price", {}, 1, 1),
    ],
    edges: [
      edge("order.placed", "check", 1),
      edge("order.checked", "unpack", 1),
      edge("box", "ship", 1200),
      edge("order.checked", "price", 1),
    ],
    leaves: [],
  };
  const { labels, bars } = layoutBalance(fork, 1392);
  const label = labels.find((each) => each.eventType === "order.checked");
  const check = bars.find((bar) => bar.stage.name === "check");
  expect((label?.at.y ?? 0) + (label?.below ?? 0)).toBeLessThan(check?.middle ?? 0);
});

test("a way that passes a column comes below what stands behind that column", () => {
  // The graph names price first; its way from check must not cross what unpack makes.
  const fork = {
    stages: [
      stage("check", { "order.checked": 1 }, 1, 1),
      stage("price", {}, 1, 1),
      stage("unpack", { box: 20 }, 1, 1),
      stage("ship", {}, 20, 20),
    ],
    edges: [
      edge("order.placed", "check", 1),
      edge("order.checked", "price", 1),
      edge("order.checked", "unpack", 1),
      edge("box", "ship", 20),
    ],
    leaves: [],
  };
  const y = new Map(layoutBalance(fork, 1392).bars.map((bar) => [bar.stage.name, bar.y]));
  expect(y.get("ship")).toBe(y.get("unpack"));
  expect(y.get("price")).toBeGreaterThan(y.get("ship") ?? 0);
});

test.each(seeds)("what is in flight is said inside of the picture (pipeline %i)", (seed) => {
  const picture = layoutBalance(made(seed), 1392, () => 2);
  for (const note of picture.notes) expect(note.at.y + 30).toBeLessThanOrEqual(picture.height);
});

test("a run of which nothing is known yet has a picture", () => {
  const { bars, height } = layoutBalance({ stages: [], edges: [], leaves: [] }, 1392);
  expect(bars).toEqual([]);
  expect(height).toBeGreaterThan(0);
});

test("stages that read each other end", () => {
  const circle = {
    stages: [stage("a", { x: 5 }, 5, 5), stage("b", { y: 5 }, 5, 5)],
    edges: [edge("x", "b", 5), edge("y", "a", 5)],
    leaves: [],
  };
  expect(layoutBalance(circle, 1392).bars).toHaveLength(2);
});
