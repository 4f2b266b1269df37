/** Which fields does a JSON Schema (2020-12) describe, and which values does it refuse? */

import { LosslessNumber } from "lossless-json";
import { isIntegerText, isObject, type Json, type Path, typeOf } from "./jsonValue";

/** A schema as it comes from the server: plain JSON. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

/** Something that does not fit, and where. */
export interface Misfit {
  location: Path;
  message: string;
}

const MAX_REFERENCES = 32; // a chain of $ref that is longer refers to itself

/** The schema that a part of a document stands for, without `$ref`; `{}` if it is none. */
export function resolve(schema: unknown, root: Schema): Schema {
  let at: unknown = schema;
  for (let count = 0; count < MAX_REFERENCES; count += 1) {
    if (!isSchema(at)) return {};
    const reference = at["$ref"];
    if (typeof reference !== "string") return at;
    const { $ref: _, ...beside } = at; // a title or a default stands beside its $ref
    const target = follow(reference, root);
    at = isSchema(target) ? { ...target, ...beside } : beside;
  }
  return {};
}

function follow(reference: string, root: Schema): unknown {
  if (!reference.startsWith("#")) return undefined;
  let at: unknown = root;
  for (const raw of reference.slice(1).split("/").slice(1)) {
    const step = decodeURIComponent(raw).replaceAll("~1", "/").replaceAll("~0", "~");
    at = isSchema(at) ? at[step] : undefined;
  }
  return at;
}

export function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The alternatives of anyOf or oneOf; empty if there are none. */
export function alternatives(schema: Schema, root: Schema): Schema[] {
  const found = schema["anyOf"] ?? schema["oneOf"];
  return Array.isArray(found) ? found.map((each) => resolve(each, root)) : [];
}

/** The types that a schema names; empty for any. */
export function typesOf(schema: Schema): string[] {
  const type = schema["type"];
  if (typeof type === "string") return [type];
  return Array.isArray(type) ? type.filter((each): each is string => typeof each === "string") : [];
}

/** One field of an object. */
export interface Field {
  name: string;
  schema: Schema;
  required: boolean;
}

/** The fields that an object's schema names, in its order. */
export function fieldsOf(schema: Schema, root: Schema): Field[] {
  const properties = isSchema(schema["properties"]) ? schema["properties"] : {};
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  return Object.entries(properties).map(([name, each]) => ({
    name,
    schema: resolve(each, root),
    required: required.includes(name),
  }));
}

/** The schema of a member that is not named, or undefined if none is allowed. */
export function otherMembers(schema: Schema, root: Schema): Schema | undefined {
  const other = schema["additionalProperties"];
  if (other === false) return undefined;
  if (isSchema(other)) return resolve(other, root);
  return other === true || !isSchema(schema["properties"]) ? {} : undefined;
}

/** The schema of an item of an array. */
export function itemOf(schema: Schema, root: Schema, index: number): Schema {
  const first = schema["prefixItems"];
  return resolve(
    Array.isArray(first) && index < first.length ? first[index] : schema["items"],
    root,
  );
}

/** The index of the alternative that a value fits best: by its type, then by its names. */
export function chosenAlternative(value: Json, choices: readonly Schema[], root: Schema): number {
  const scores = choices.map((choice) => scoreOf(value, choice, root));
  return scores.indexOf(Math.max(...scores));
}

function scoreOf(value: Json, schema: Schema, root: Schema): number {
  const types = typesOf(schema);
  const type = typeOf(value);
  const fits = types.includes(type) || (type === "integer" && types.includes("number"));
  if (types.length > 0 && !fits) return 0;
  const misfits = findMisfits(value, schema, root).length;
  return (types.length > 0 ? 2 : 1) + 1 / (1 + misfits);
}

/** A value to begin with: the default, the first example or choice, else the least that fits. */
export function firstValue(schema: Schema, root: Schema, depth = 0): Json {
  const plain = schema["default"] ?? first(schema["examples"]) ?? first(schema["enum"]);
  if (plain !== undefined) return fromPlain(plain);
  if ("default" in schema) return null;
  if ("const" in schema) return fromPlain(schema["const"]);
  if (depth > 8) return null;
  const [choice] = alternatives(schema, root);
  if (choice) return firstValue(choice, root, depth + 1);
  switch (typesOf(schema)[0] ?? (schema["properties"] ? "object" : "")) {
    case "object":
      return Object.fromEntries(
        fieldsOf(schema, root)
          .filter((field) => field.required)
          .map((field) => [field.name, firstValue(field.schema, root, depth + 1)]),
      );
    case "array": {
      const least = Number(schema["minItems"] ?? 0);
      return Array.from({ length: Math.min(least, 100) }, (_, index) =>
        firstValue(itemOf(schema, root, index), root, depth + 1),
      );
    }
    case "integer":
    case "number":
      return new LosslessNumber(String(schema["minimum"] ?? 0));
    case "boolean":
      return false;
    case "string":
      return "";
    default:
      return null;
  }
}

function first(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : undefined;
}

/** Plain JSON, as a schema holds it, with exact numbers. */
export function fromPlain(value: unknown): Json {
  if (typeof value === "number") return new LosslessNumber(String(value));
  if (Array.isArray(value)) return value.map(fromPlain);
  if (isSchema(value) && !(value instanceof LosslessNumber)) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fromPlain(each)]));
  }
  return value as Json;
}

/** What of a value does not fit a schema. The server decides; this says it sooner. */
export function findMisfits(
  value: Json,
  schema: Schema,
  root: Schema,
  location: Path = [],
): Misfit[] {
  if (location.length > 32) return [];
  const choices = alternatives(schema, root);
  if (choices.length > 0) {
    const tried = choices.map((choice) => findMisfits(value, choice, root, location));
    return tried.some((misfits) => misfits.length === 0)
      ? []
      : (tried[closest(value, choices)] ?? []);
  }
  const wrong = wrongHere(value, schema);
  if (wrong !== undefined) return [{ location, message: wrong }];
  if (Array.isArray(value)) {
    return value.flatMap((each, index) =>
      findMisfits(each, itemOf(schema, root, index), root, [...location, index]),
    );
  }
  if (isObject(value)) return wrongMembers(value, schema, root, location);
  return [];
}

function closest(value: Json, choices: readonly Schema[]): number {
  const type = typeOf(value);
  return Math.max(
    0,
    choices.findIndex((choice) => typesOf(choice).includes(type)),
  );
}

function wrongMembers(value: Record<string, Json>, schema: Schema, root: Schema, at: Path) {
  const fields = fieldsOf(schema, root);
  const other = otherMembers(schema, root);
  const known = new Map(fields.map((field) => [field.name, field.schema]));
  const missing = fields
    .filter((field) => field.required && !Object.hasOwn(value, field.name))
    .map((field) => ({ location: [...at, field.name], message: "is required" }));
  const inside = Object.entries(value).flatMap(([name, each]) => {
    const of = known.get(name) ?? other;
    return of ? findMisfits(each, of, root, [...at, name]) : [];
  });
  return [...missing, ...inside];
}

function wrongHere(value: Json, schema: Schema): string | undefined {
  const types = typesOf(schema);
  const type = typeOf(value);
  if (
    types.length > 0 &&
    !types.includes(type) &&
    !(type === "integer" && types.includes("number"))
  )
    return `must be ${types.join(" or ")}`;
  const choices = schema["enum"];
  if (Array.isArray(choices) && !choices.some((each) => isSame(value, each)))
    return `must be one of ${choices.map((each) => JSON.stringify(each)).join(", ")}`;
  if (value instanceof LosslessNumber) return wrongNumber(value.value, schema);
  if (typeof value === "string") return wrongText(value, schema);
  if (Array.isArray(value)) {
    const { minItems, maxItems } = schema;
    if (typeof minItems === "number" && value.length < minItems)
      return `at least ${minItems} items`;
    if (typeof maxItems === "number" && value.length > maxItems) return `at most ${maxItems} items`;
  }
  return undefined;
}

function isSame(value: Json, plain: unknown): boolean {
  return JSON.stringify(value) === JSON.stringify(fromPlain(plain));
}

function wrongNumber(text: string, schema: Schema): string | undefined {
  const bound = (name: string) =>
    typeof schema[name] === "number" ? (schema[name] as number) : undefined;
  const compared = isIntegerText(text) ? BigInt(text) : Number(text);
  const [min, max] = [bound("minimum"), bound("maximum")];
  const [above, below] = [bound("exclusiveMinimum"), bound("exclusiveMaximum")];
  if (min !== undefined && compared < min) return `must be at least ${min}`;
  if (max !== undefined && compared > max) return `must be at most ${max}`;
  if (above !== undefined && compared <= above) return `must be above ${above}`;
  if (below !== undefined && compared >= below) return `must be below ${below}`;
  return undefined;
}

function wrongText(text: string, schema: Schema): string | undefined {
  const { minLength, maxLength } = schema;
  const length = Array.from(text).length;
  if (typeof minLength === "number" && length < minLength)
    return minLength === 1 ? "must not be empty" : `at least ${minLength} characters`;
  if (typeof maxLength === "number" && length > maxLength) return `at most ${maxLength} characters`;
  return undefined; // patterns and formats are the server's: its dialect is another
}
