import { expect, test } from "vitest";
import { compareLines, prettyLines } from "./lines";

test("only the lines that differ are changed", () => {
  const { before, after } = compareLines(["{", "a", "b", "}"], ["{", "a", "c", "d", "}"]);
  expect(before.filter(({ changed }) => changed).map(({ text }) => text)).toEqual(["b"]);
  expect(after.filter(({ changed }) => changed).map(({ number }) => number)).toEqual([3, 4]);
});

test("nothing of equal texts is changed", () => {
  const { before, after } = compareLines(["x"], ["x"]);
  expect([...before, ...after].some(({ changed }) => changed)).toBe(false);
});

test("what is no JSON is compared as it is", () => {
  const format = (text: string) => JSON.stringify(JSON.parse(text), null, 1);
  expect(prettyLines('{"a":1}', format)).toEqual(["{", ' "a": 1', "}"]);
  expect(prettyLines("dropped", format)).toEqual(["dropped"]);
});
