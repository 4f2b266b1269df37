import { expect, test } from "vitest";
import {
  type Change,
  dangerWords,
  isConfirmed,
  type Plan,
  rewiring,
  summary,
  totals,
} from "./planWords";

function change(over: Partial<Change>): Change {
  return { sign: "+", what: "stage", name: "small", said: "", ...over } as Change;
}

test("the changes of a plan are counted by sign", () => {
  const changes = [change({}), change({ sign: "-" }), change({ sign: "-" })];
  expect(totals(changes)).toBe("1 to add, 0 to change, 2 to remove");
  expect(summary(changes, 2)).toBe("+ small, − small, 1 more");
  expect(summary([])).toBe("nothing");
});

test("a change of the wiring says both sides", () => {
  const fields = { key: "subscribes", was: ["a"], now: ["b"] };
  const reasons = [{ code: "setting_changed" as const, fields }];
  expect(rewiring(change({ reasons }))).toEqual({ key: "subscribes", was: ["a"], now: ["b"] });
  expect(rewiring(change({ reasons: [] }))).toBeUndefined();
});

test("a stage that goes says how much is unread, and to keep its code", () => {
  const drain = { events: 88, at_most: false, versions: [7] };
  const words = dangerWords(change({ sign: "-", name: "flag_coupon", drain }));
  expect(words.lost).toBe("flag_coupon goes away while 88 events are unread.");
  expect(words.care).toContain("until @7 has drained");
});

test.each([
  ["a b", true],
  ["b, a", true],
  ["a", false],
  ["a b c", false],
  ["", false],
])("typing %j", (typed, confirmed) => {
  expect(isConfirmed({ confirm: ["a", "b"] } as unknown as Plan, typed)).toBe(confirmed);
});
