import { expect, test } from "vitest";
import { changedRows } from "./views";

const change = (rows: Record<string, unknown>, removed: string[] = []) => ({
  whole: false,
  rows,
  removed,
});
const numbered = (from: number, to: number) =>
  Object.fromEntries(Array.from({ length: to - from }, (_, at) => [`r${from + at}`, from + at]));

test("of runs those are kept that have changed last", () => {
  let rows = changedRows("runs", undefined, change(numbered(0, 400)));
  rows = changedRows("runs", rows, change({ r0: "again" }));
  rows = changedRows("runs", rows, change(numbered(400, 800)));
  expect(rows.size).toBe(500);
  expect(rows.get("r0")).toBe("again");
  expect(rows.has("r1")).toBe(false);
  expect(rows.has("r799")).toBe(true);
});

test("of other views everything is kept", () => {
  const rows = changedRows("incidents", undefined, change(numbered(0, 2_000)));
  expect(changedRows("incidents", rows, change({}, ["r7"])).size).toBe(1_999);
});
