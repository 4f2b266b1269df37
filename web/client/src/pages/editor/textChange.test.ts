import { expect, test } from "vitest";
import { changeBetween, sectionsToFold } from "./textChange";

test.each([
  ["abc", "abXc"],
  ["aaa", "aa"],
  ["", "abc"],
  ["line\nline\n", "line\nnew\nline\n"],
])("from %j to %j in one change", (before, after) => {
  const change = changeBetween(before, after);
  expect(change && before.slice(0, change.from) + change.insert + before.slice(change.to)).toBe(
    after,
  );
});

test("the same text needs no change", () => {
  expect(changeBetween("a", "a")).toBeUndefined();
});

test("long files begin with their schedules folded, and the wiring seen", () => {
  const stages = Array.from({ length: 60 }, (_, i) => `  s${i}: {subscribes: a}`).join("\n");
  const text = `stages:\n${stages}\n\nschedules: # when\n  nightly:\n    cron: x\n\nalerts: {email: a}\n`;
  const folded = sectionsToFold(text).map(({ from, to }) => text.slice(from, to));
  expect(folded).toEqual(["\n  nightly:\n    cron: x"]);
  expect(sectionsToFold("schedules:\n  a: {}\n")).toEqual([]);
});
