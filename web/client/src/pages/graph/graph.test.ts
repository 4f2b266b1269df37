import { expect, test } from "vitest";
import { edgeTone, fastestRate, inNeed, lookOf } from "./conditions";
import { countsOf, edgeWords, rateWords, runWords } from "./edgeWords";
import { type RunOverlay, strandsOf } from "./graphData";
import { linePoints, niceTop } from "./HistoryChart";
import { layoutGraph } from "./layoutGraph";
import { ribbonPath, THICKEST, THINNEST, thickness } from "./ribbon";
import { edge, figuresOf, picture } from "./testPicture";
import { figuresOfRows, withLetters } from "./useFigures";
import { layoutInput } from "./useLayout";
import { hold, newest, type TailEvent } from "./useTail";
import { nextStage } from "./walk";

const strands = strandsOf(picture);
const laid = { strands, layout: layoutGraph(layoutInput(picture, strands)) };
const waiting = {
  code: "waiting",
  why: "breaker open",
  detail: "",
  since: null,
  until: null,
} as const;

test("an edge has a strand for each stage that emits its event, and its words once", () => {
  const two = { ...picture, edges: [edge("line.read", ["read", "price"], "load")] };
  expect(strandsOf(two).map(({ from, labelled }) => [from, labelled])).toEqual([
    ["read", true],
    ["price", false],
  ]);
});

test("a root comes from a dot, and what nobody reads goes to an end", () => {
  expect(strands[0]?.from).toBe("root:asked");
  expect(strands.at(-1)?.to).toBe("leaf:coupon.exceeded");
});

test("stages stand from left to right in the order in which events flow", () => {
  const x = (name: string) => laid.layout.nodes[name]?.x ?? 0;
  expect(x("root:asked")).toBeLessThan(x("read"));
  expect(x("read")).toBeLessThan(x("price"));
  expect(x("price")).toBeLessThan(x("load"));
});

test("no two nodes stand on each other, their room for reasons included", () => {
  const nodes = Object.values(laid.layout.nodes);
  for (const one of nodes)
    for (const other of nodes)
      if (one !== other)
        expect(
          Math.abs(one.x - other.x) >= (one.width + other.width) / 2 ||
            Math.abs(one.y - other.y) >= (one.height + other.height) / 2 + 40,
        ).toBe(true);
});

test("a strand goes from the right of its source to the left of its target", () => {
  const { points } = laid.layout.strands["price|line.priced>load"] ?? { points: [] };
  const { price, load } = laid.layout.nodes;
  expect(points[0]?.x).toBe((price?.x ?? 0) + (price?.width ?? 0) / 2);
  expect(points.at(-1)?.x).toBe((load?.x ?? 0) - (load?.width ?? 0) / 2);
});

test("thickness is the rate, linear, within its bounds", () => {
  expect(thickness(8000, 8000)).toBe(THICKEST);
  expect(thickness(4000, 8000)).toBe(THICKEST / 2);
  expect(thickness(1, 8000)).toBe(THINNEST);
  expect(thickness(null, 0)).toBe(THINNEST);
});

test("a backlog is a ribbon that narrows", () => {
  const line = [
    { x: 0, y: 50 },
    { x: 100, y: 50 },
  ];
  expect(ribbonPath(line, 16, 4)).toBe("M0 42L100 48L100 52L0 58z");
});

test("a steep ribbon is as thick across its way as a level one", () => {
  const path = ribbonPath(
    [
      { x: 0, y: 0 },
      { x: 40, y: 400 },
    ],
    10,
    10,
  );
  const points = path
    .slice(1, -1)
    .split("L")
    .map((pair) => pair.split(" ").map(Number));
  const upper = points[6];
  const lower = points[points.length - 7];
  const apart = Math.hypot(
    (upper?.[0] ?? 0) - (lower?.[0] ?? 0),
    (upper?.[1] ?? 0) - (lower?.[1] ?? 0),
  );
  expect(apart).toBeCloseTo(10, 1);
});

test("rates that differ by more than a tenth are both told", () => {
  const flow = { rate_in: 8171, rate_out: 4062, exact: true, trouble: false } as const;
  expect(rateWords(flow)).toBe("8\u202f171 → 4\u202f062/s");
  expect(rateWords({ ...flow, rate_out: 8169 })).toBe("8\u202f171/s");
  expect(rateWords({ ...flow, rate_in: 0, rate_out: 0 })).toBe("");
  expect(rateWords({ exact: true, trouble: false })).toBe("");
});

test("without the books a backlog is told as unread offsets", () => {
  const words = edgeWords({ in_flight: 12, exact: false, oldest_seconds: 4, trouble: false });
  expect(words).toEqual({ rate: "", inFlight: "12 unread", oldest: "oldest 4.0 s" });
});

test("a run over the graph tells its counts", () => {
  const counts = { emitted: 1000, consumed: 990, handled: 980, in_flight: 10, parked: 0, dead: 3 };
  expect(runWords(counts)).toEqual({
    rate: "1\u202f000",
    inFlight: "10 in flight",
    oldest: "3 dead",
  });
});

test("an edge has the tone of a reader that does not take what comes", () => {
  const figures = figuresOf({ load: { condition: waiting } });
  const of = (id: string, name: string) => edgeTone(figures.edges[id], figures.stages[name]);
  expect(of("line.priced>load", "load")).toBe("wait");
  expect(of("line.read>price", "price")).toBeUndefined();
  expect(fastestRate(figures.edges)).toBe(8210);
});

test("a stage that nobody works on is trouble only if something waits", () => {
  expect(lookOf("unworked").stands).toBe(true);
  expect(lookOf("no worker")).toMatchObject({ tone: "quiet", stands: false, word: "no worker" });
});

test("what waits for an answer comes before what is on hold", () => {
  const hold = { ...waiting, code: "hold" } as const;
  const figures = figuresOf({ read: { condition: hold }, load: { condition: waiting } });
  expect(inNeed(picture, figures.stages)).toEqual(["load", "read"]);
});

test.each([
  ["read", "right", "price"],
  ["price", "left", "read"],
  ["price", "next", "load"],
  ["read", "previous", undefined],
  ["load", "right", undefined],
] as const)("from %s, %s leads to %s", (from, step, to) => {
  expect(nextStage(picture, laid, from, step)).toBe(to);
});

test("up and down lead to the readers beside", () => {
  const [upper, lower] = ["load", "flag"].sort(
    (a, b) => (laid.layout.nodes[a]?.y ?? 0) - (laid.layout.nodes[b]?.y ?? 0),
  );
  expect(nextStage(picture, laid, upper ?? "", "down")).toBe(lower);
});

test("of a tail the newest hundred are kept, the newest first", () => {
  const event = (offset: number) => ({ offset }) as TailEvent;
  const many = Array.from({ length: 130 }, (_, offset) => event(offset));
  const shown = newest(many, [event(-1)]);
  expect([shown.length, shown[0]?.offset, shown.at(-1)?.offset]).toEqual([100, 129, 30]);
  const held = many.slice(0, 90);
  expect(hold(held, many.slice(90))).toBe(30);
  expect(held).toHaveLength(100);
});

test("a chart ends at a round figure and begins at 0", () => {
  expect([niceTop(0), niceTop(8210), niceTop(0.3), niceTop(1000)]).toEqual([1, 10000, 0.5, 1000]);
  expect(linePoints([0, 5, 10], 10, 64)).toBe("0 64L148 40L296 16");
});

test("the rows of the stream are the figures", () => {
  const { edges, stages } = figuresOf();
  const rows = new Map<string, unknown>([
    ["pipeline", { version: 7, has_rates: true }],
    ["stage/load", stages["load"]],
    ["edge/line.priced>load", edges["line.priced>load"]],
  ]);
  expect(figuresOfRows("p", rows)).toMatchObject({
    version: 7,
    stages: { load: { lanes: 4 } },
    edges: { "line.priced>load": { in_flight: 267330 } },
  });
  expect(figuresOfRows("p", new Map())).toBeUndefined();
});

test("the letters of the stream are newer than the figures: one number stands everywhere", () => {
  const figures = figuresOf({ load: { dead: 58, dead_more: true }, price: { dead: 3 } });
  const stages = withLetters(figures, new Map([["p/load", { count: 137, more: false }]])).stages;
  expect(stages["load"]).toMatchObject({ dead: 137, dead_more: false });
  expect(stages["price"]?.dead).toBe(0); // settled meanwhile
  expect(withLetters(figures, undefined)).toBe(figures);
});

test("a run's count of an event that nobody reads is what was emitted", () => {
  const run = { edges: {}, leaves: { "coupon.exceeded": 7 } } as unknown as RunOverlay;
  const [leaf] = picture.edges.filter((each) => each.target === null);
  expect(leaf && countsOf(run, leaf)?.emitted).toBe(7);
});
