/** What does a rule ask for, in words? */

import type { Check } from "./queries";

/** `cents is in its range`, `rows as usual`; the rule's own name for one that is not known here. */
export function ruleWords({ rule, column }: Pick<Check, "rule" | "column">): string {
  const of = column || "the row";
  const words: Record<string, string> = {
    "not-null": `${of} is not null`,
    range: `${of} is in its range`,
    "one-of": `${of} is one of its values`,
    pattern: `${of} matches its pattern`,
    length: `${of} has its length`,
    expression: "its expression holds",
    unique: `${of} is unique in a run`,
    fresh: "events are fresh",
    rows: "as many rows as there should be",
    schema: "the fields of its schema",
    drift: `${of} is spread as before`,
    known: `${of} is known`,
    sum: `the sum of ${of} is kept`,
    function: "its function",
  };
  return words[rule] ?? rule;
}
