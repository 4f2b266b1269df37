import { expect, test } from "vitest";
import { keysAt, meaningOf, type Schema, wordsAt } from "./topologySchema";

const schema: Schema = {
  properties: {
    pipeline: { description: "The name.", type: "string" },
    stages: { additionalProperties: { $ref: "#/$defs/stage" } },
  },
  $defs: {
    stage: {
      properties: {
        subscribes: {
          description: "What it handles.",
          anyOf: [{ type: "string" }, { additionalProperties: { $ref: "#/$defs/filter" } }],
        },
        external: { anyOf: [{ type: "boolean" }, { const: "at-least-once" }] },
      },
    },
    filter: { properties: { when: { description: "An expression." } } },
  },
};

test("the keys of a stage are those of its definition", () => {
  expect(keysAt(schema, ["stages", "price"]).map(({ key }) => key)).toEqual([
    "subscribes",
    "external",
  ]);
});

test("keys are found behind alternatives", () => {
  expect(keysAt(schema, ["stages", "price", "subscribes", "line.priced"])).toEqual([
    { key: "when", description: "An expression." },
  ]);
});

test("the words of a value are its constants", () => {
  expect(wordsAt(schema, ["stages", "a", "external"])).toEqual(["true", "false", "at-least-once"]);
});

test("a key says what it means, and a name says nothing", () => {
  expect(meaningOf(schema, ["stages", "a", "subscribes"])).toBe("What it handles.");
  expect(meaningOf(schema, ["stages", "a"])).toBe("");
  expect(meaningOf(schema, ["no", "such", "path"])).toBe("");
});
