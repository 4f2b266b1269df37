import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { expect, test } from "vitest";
import { parseExact, stringifyExact } from "@/api/exactJson";
import type { Json } from "./jsonValue";
import { SchemaForm } from "./SchemaForm";
import { findMisfits, firstValue, resolve, type Schema } from "./schema";

const order: Schema = {
  type: "object",
  title: "Order",
  properties: {
    customer: { type: "string", minLength: 1, personal: true },
    cents: { type: "integer", minimum: 0, description: "The price" },
    kind: { enum: ["new", "used"] },
    note: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
    items: { type: "array", items: { $ref: "#/$defs/Item" } },
  },
  required: ["customer", "cents", "items"],
  $defs: {
    Item: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
  },
};

function Writing({ schema, begin, written }: { schema: Schema; begin: Json; written: string[] }) {
  const [value, setValue] = useState(begin);
  return (
    <SchemaForm
      label="Order"
      schema={schema}
      value={value}
      onChange={(next) => {
        written.push(stringifyExact(next));
        setValue(next);
      }}
      problems={[{ location: ["customer"], message: "is not known" }]}
    />
  );
}

function write(begin: string, schema = order): string[] {
  const written: string[] = [];
  render(<Writing schema={schema} begin={parseExact(begin) as Json} written={written} />);
  return written;
}

test("a form begins with the least that the schema allows", () => {
  expect(stringifyExact(firstValue(order, order))).toBe('{"customer":"","cents":0,"items":[]}');
});

test("an integer beyond 2^53 keeps its digits, whatever else is changed", async () => {
  const written = write('{"customer":"a","cents":9007199254740993,"items":[]}');
  await userEvent.type(screen.getByLabelText("customer"), "b");
  expect(written.at(-1)).toBe('{"customer":"ab","cents":9007199254740993,"items":[]}');
  const cents = screen.getByLabelText("cents");
  await userEvent.type(cents, "1");
  expect(written.at(-1)).toBe('{"customer":"ab","cents":90071992547409931,"items":[]}');
});

test("what is no number is said and changes nothing", async () => {
  const written = write('{"customer":"a","cents":5,"items":[]}');
  await userEvent.type(screen.getByLabelText("cents"), "x");
  expect(written).toEqual([]);
  expect(screen.getByText(/must be a whole number/)).toBeTruthy();
});

test("optional fields are added and removed, and items of a list by the schema they refer to", async () => {
  const written = write('{"customer":"a","cents":5,"items":[]}');
  await userEvent.click(screen.getByRole("button", { name: "kind" }));
  expect(written.at(-1)).toContain('"kind":"new"');
  await userEvent.click(screen.getByRole("button", { name: "Remove kind" }));
  expect(written.at(-1)).not.toContain("kind");
  await userEvent.click(screen.getByRole("button", { name: "Add to items" }));
  expect(written.at(-1)).toContain('"items":[{"name":""}]');
});

test("of several kinds of a value one is chosen", async () => {
  const written = write('{"customer":"a","cents":5,"items":[],"note":null}');
  await userEvent.selectOptions(screen.getByLabelText("Kind of note"), "string");
  expect(written.at(-1)).toContain('"note":""');
});

test("what the server refuses stands at its field", () => {
  write('{"customer":"a","cents":5,"items":[]}');
  expect(screen.getByText("is not known")).toBeTruthy();
});

test.each([
  ['{"cents":1,"items":[]}', ["customer"], "is required"],
  ['{"customer":"","cents":1,"items":[]}', ["customer"], "must not be empty"],
  ['{"customer":"a","cents":-1,"items":[]}', ["cents"], "must be at least 0"],
  ['{"customer":"a","cents":1.5,"items":[]}', ["cents"], "must be integer"],
  ['{"customer":"a","cents":1,"items":[{}]}', ["items", 0, "name"], "is required"],
  ['{"customer":"a","cents":1,"items":[],"kind":"old"}', ["kind"], 'must be one of "new", "used"'],
])("%s does not fit at %s", (text, location, message) => {
  expect(findMisfits(parseExact(text) as Json, order, order)).toEqual([{ location, message }]);
});

test("a schema that refers to itself ends", () => {
  const circle: Schema = { $ref: "#/$defs/A", $defs: { A: { $ref: "#/$defs/A" } } };
  expect(resolve(circle, circle)).toEqual({});
  const tree: Schema = {
    type: "object",
    properties: { below: { $ref: "#" } },
    required: ["below"],
  };
  expect(stringifyExact(firstValue(tree, tree)).length).toBeLessThan(400);
});

test("hostile names are text, also __proto__", async () => {
  const name = "<img src=x>\u202e";
  const written = write(`{"${name}":1,"b":2}`, { type: "object", additionalProperties: true });
  expect(document.querySelector("img")).toBeNull();
  await userEvent.type(screen.getByLabelText("Name of another field"), "__proto__{Enter}");
  expect(written.at(-1)).toContain('"__proto__":null');
});

test("data of ten thousand members are one field of JSON", () => {
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`k${n}`, n]));
  write(JSON.stringify(many), { type: "object", additionalProperties: true });
  expect(screen.getAllByRole("textbox")).toHaveLength(1);
});
