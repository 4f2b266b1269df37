/** How is one part of a JSON value read or changed, with numbers of any size? */

import { LosslessNumber } from "lossless-json";

/** What parseExact returns: numbers keep their digits. */
export type Json = null | boolean | string | LosslessNumber | Json[] | JsonObject;
export interface JsonObject {
  [name: string]: Json;
}

/** Names of members and indexes of items, from the outside in. */
export type Path = readonly (string | number)[];

export function isObject(value: Json | undefined): value is JsonObject {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof LosslessNumber)
  );
}

/** The type of JSON Schema that a value has; an integer is told from a number by its digits. */
export function typeOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (value instanceof LosslessNumber) return isIntegerText(value.value) ? "integer" : "number";
  return typeof value;
}

/** True for `-12`, and not for `1.5`, `1e3`, `` or `twelve`. */
export function isIntegerText(text: string): boolean {
  return /^-?(0|[1-9]\d*)$/.test(text);
}

/** True for what JSON takes as a number. */
export function isNumberText(text: string): boolean {
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text);
}

/** The value with another part at a path; undefined removes a member or an item. */
export function withValueAt(value: Json | undefined, path: Path, part: Json | undefined): Json {
  const [step, ...rest] = path;
  if (step === undefined) return part ?? null;
  if (typeof step === "number") {
    const items = Array.isArray(value) ? [...value] : [];
    if (rest.length === 0 && part === undefined) items.splice(step, 1);
    else items[step] = withValueAt(items[step], rest, part);
    return items;
  }
  const members = Object.entries(isObject(value) ? value : {});
  const index = members.findIndex(([name]) => name === step);
  if (rest.length === 0 && part === undefined) {
    return Object.fromEntries(members.filter(([name]) => name !== step));
  }
  const changed: [string, Json] = [step, withValueAt(members[index]?.[1], rest, part)];
  if (index < 0) members.push(changed);
  else members[index] = changed;
  return Object.fromEntries(members); // own members, also one that is called __proto__
}
