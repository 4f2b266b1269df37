import { Text } from "@codemirror/state";
import { expect, test } from "vitest";
import { type Known, meaningAt, optionsAt } from "./completion";
import { contextAt } from "./yamlContext";

const known: Known = {
  schema: {
    properties: {
      stages: {
        additionalProperties: {
          properties: { subscribes: { description: "What it handles." }, run: {} },
        },
      },
    },
  },
  functions: [
    {
      run: "work.price:price",
      signature: "(line: Line)",
      summary: "Price it.",
      file: "work/price.py",
      line: 3,
    },
    {
      run: "work.load:load",
      signature: "(line: Line)",
      summary: "",
      file: "work/load.py",
      line: 1,
    },
    { run: "stages.generic.filter:filter", signature: "(event)", summary: "", file: "", line: 1 },
  ],
  graph: {
    pipeline: "p",
    stages: [
      { name: "load", subscribes: ["line.read"], emits: [], when: {}, run: "work.load:load" },
    ],
    events: [{ name: "line.read", partitions: 4, key: "id", fields: ["id", "cents"] }],
  },
};

function labels(marked: string) {
  const context = contextAt(marked.replace("|", ""), marked.indexOf("|"));
  return context ? optionsAt(known, context).map(({ label }) => label) : [];
}

test.each([
  ["stages:\n  a: {subscribes: |", ["line.read"]],
  ["stages:\n  a: {|", ["subscribes", "run"]],
  ["stages:\n  |", ["price"]],
  ["stages:\n  a: {run: |", ["work.price:price", "work.load:load", "stages.generic.filter:filter"]],
  ["events:\n  line.read: {key: |", ["id", "cents"]],
])("at %j", (marked, offered) => {
  expect(labels(marked)).toEqual(offered);
});

test.each([
  ["subscribes", "What it handles."],
  ["line.read", "from outside → load\n4 partitions, key id\nfields: id, cents"],
  ["load", "work.load:load(line: Line)\nwork/load.py:1"],
])("the pointer over %s", (word, text) => {
  const doc = Text.of("stages:\n  load: {subscribes: line.read}".split("\n"));
  const index = doc.toString().indexOf(word) + 1;
  expect(meaningAt(known, doc, index)).toMatchObject({ title: word, text });
});
