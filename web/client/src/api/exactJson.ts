/** How is JSON read without losing digits? Integers beyond 2^53 and decimals stay as they are written. */

import { parse, stringify } from "lossless-json";

/** JSON as a value whose numbers are LosslessNumber. Throws SyntaxError; also for two values of one key. */
export function parseExact(text: string): unknown {
  return parse(text);
}

/** The value as JSON; with `indent` spaces, one member a line. */
export function stringifyExact(value: unknown, indent = 0): string {
  return stringify(value, undefined, indent) ?? "null";
}
