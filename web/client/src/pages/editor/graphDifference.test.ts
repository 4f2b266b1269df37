import { expect, test } from "vitest";
import { compareGraphs, type Graph, placeGraph, wayDepth } from "./graphDifference";

function graph(wiring: Record<string, [string[], string[]]>): Graph {
  return {
    pipeline: "p",
    stages: Object.entries(wiring).map(([name, [subscribes, emits]]) => ({
      name,
      subscribes,
      emits,
      when: {},
      run: null,
    })),
    events: [],
  };
}

const before = graph({ a: [["root"], ["x"]], b: [["x"], ["y"]], c: [["y"], []], d: [["y"], []] });
const draft = graph({
  a: [["root"], ["x"]],
  mid: [["x"], ["z"]],
  b: [["z"], ["y"]],
  c: [["y"], []],
});

test("stages and edges say what became of them", () => {
  const { stages, edges } = compareGraphs(before, draft);
  expect(Object.fromEntries(stages.map(({ name, mark }) => [name, mark]))).toEqual({
    a: "same",
    mid: "new",
    b: "changed",
    c: "same",
    d: "lost",
  });
  expect(
    edges.filter(({ mark }) => mark !== "same").map((e) => `${e.mark} ${e.event} ${e.to}`),
  ).toEqual(["new x mid", "new z b", "lost x b", "lost y d"]);
});

test("the first version is compared with nothing, so nothing is new", () => {
  const { stages } = compareGraphs(undefined, draft);
  expect(new Set(stages.map(({ mark }) => mark))).toEqual(new Set(["same"]));
});

test("each stage stands right of what it reads", () => {
  const { stages, edges } = placeGraph(before, draft);
  const x = new Map(stages.map((stage) => [stage.name, stage.x]));
  for (const edge of edges)
    if (edge.from) expect(x.get(edge.to)).toBeGreaterThan(x.get(edge.from) ?? 0);
});

test("the way of an edge that is gone has room below the row, with its words", () => {
  const cut = graph({ a: [["root"], ["x"]], mid: [["x"], ["z"]], b: [["z"], []] });
  const one = graph({ a: [["root"], ["x"]], b: [["x"], []] });
  const { stages, height } = placeGraph(one, cut);
  const depth = wayDepth(new Map(stages.map((stage) => [stage.name, stage])), "a", "b");
  expect(height).toBeGreaterThan(depth + 6);
});

test("no two stages stand at one place, also in a cycle", () => {
  const cycle = graph({ a: [["x"], ["y"]], b: [["y"], ["x"]], c: [["y"], []] });
  const { stages } = placeGraph(undefined, cycle);
  expect(new Set(stages.map(({ x, y }) => `${x} ${y}`)).size).toBe(3);
});
