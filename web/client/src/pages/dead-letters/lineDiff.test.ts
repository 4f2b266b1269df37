import { expect, test } from "vitest";
import { countChanges, diffLines, foldRows } from "./lineDiff";

test("a changed line stands beside what it was", () => {
  const rows = diffLines("{\n a\n b\n}", "{\n a\n c\n}");
  expect(rows[2]).toEqual({ before: 3, after: 3, left: " b", right: " c", changed: true });
  expect(countChanges(rows)).toBe(1);
});

test("an added and a removed line have a row of their own, and what follows keeps its numbers", () => {
  const rows = diffLines("a\nb\nc\nd", "a\nc\nx\nd");
  expect(rows.map((row) => [row.left, row.right])).toEqual([
    ["a", "a"],
    ["b", undefined],
    ["c", "c"],
    [undefined, "x"],
    ["d", "d"],
  ]);
  expect(rows.at(-1)).toMatchObject({ before: 4, after: 4 });
});

test("equal texts have no change", () => {
  expect(countChanges(diffLines("a\nb", "a\nb"))).toBe(0);
});

test("what is far from a change is folded, with its count", () => {
  const before = Array.from({ length: 1000 }, (_, line) => `line ${line}`);
  const after = before.with(500, "other");
  const rows = foldRows(diffLines(before.join("\n"), after.join("\n")), 3);
  expect(rows).toHaveLength(9);
  expect([rows[0], rows.at(-1)]).toEqual([497, 496]);
});

test("ten thousand changed lines are compared at once", () => {
  const before = Array.from({ length: 10_000 }, (_, line) => `a${line}`).join("\n");
  const rows = diffLines(before, before.replaceAll("a", "b"));
  expect(countChanges(rows)).toBe(10_000);
});
