import { expect, test } from "vitest";
import { contextAt } from "./yamlContext";

/** The context where `|` stands, with the word before it. */
function at(marked: string) {
  const index = marked.indexOf("|");
  const text = marked.replace("|", "");
  const found = contextAt(text, index);
  if (!found) return undefined;
  const { from, ...rest } = found;
  return { ...rest, word: text.slice(from, index) };
}

test.each([
  ["pip|", { path: [], at: "key", word: "pip" }],
  ["stages:\n  pr|", { path: ["stages"], at: "key", word: "pr" }],
  ["stages:\n  price:\n    sub|", { path: ["stages", "price"], at: "key", word: "sub" }],
  [
    "stages:\n  price:\n    subscribes: li|",
    { path: ["stages", "price"], at: "value", key: "subscribes", word: "li" },
  ],
  ["stages:\n  price: {|", { path: ["stages", "price"], at: "key", word: "" }],
  ["stages:\n  price: {run: x, em|", { path: ["stages", "price"], at: "key", word: "em" }],
  [
    "stages:\n  price: {subscribes: [a, b|",
    { path: ["stages", "price"], at: "value", key: "subscribes", word: "b" },
  ],
  [
    "stages:\n  price: {subscribes: {line.priced: {wh|",
    { path: ["stages", "price", "subscribes", "line.priced"], at: "key", word: "wh" },
  ],
  [
    "stages:\n  price:\n    subscribes:\n      - line|",
    { path: ["stages", "price"], at: "value", key: "subscribes", word: "line" },
  ],
  [
    "events:\n  # why\n  line.priced: {key: h|",
    { path: ["events", "line.priced"], at: "value", key: "key", word: "h" },
  ],
  [
    'stages:\n  a: {run: "m:f", with: {x: 1}, th|',
    { path: ["stages", "a"], at: "key", word: "th" },
  ],
  ["stages:\n  a: {run: m:f|", { path: ["stages", "a"], at: "value", key: "run", word: "m:f" }],
  ["stages:\r\n  price:\r\n    sub|", { path: ["stages", "price"], at: "key", word: "sub" }],
])("in %j", (marked, found) => {
  expect(at(marked)).toEqual(found);
});

test("in a comment nothing is offered", () => {
  expect(at("pipeline: a # pip|")).toBeUndefined();
});

test("a hash in quotes is no comment", () => {
  expect(at('a: {b: "# x", c|')).toMatchObject({ at: "key", word: "c" });
});
