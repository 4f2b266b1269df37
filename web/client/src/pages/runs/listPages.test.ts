import { expect, test } from "vitest";
import { firstPage, toldPages } from "./listPages";

const list = {
  pages: [
    { rows: [{ run: "a", status: "running" }], next: "1" },
    { rows: [{ run: "b", status: "running" }], next: null },
  ],
  pageParams: [undefined, "1"],
};

test("a row that was told is new, and other pages are the same objects", () => {
  const after = toldPages(list, { b: { status: "failed" }, z: { status: "running" } });
  expect(after?.pages[1]?.rows).toEqual([{ run: "b", status: "failed" }]);
  expect(after?.pages[0]).toBe(list.pages[0]);
  expect(after?.pages[1]?.next).toBe(null);
});

test("what concerns no page changes nothing", () => {
  expect(toldPages(list, { z: { status: "failed" } })).toBe(list);
});

test("the first page alone goes on where the second one began", () => {
  expect(firstPage(list)).toEqual({ pages: [list.pages[0]], pageParams: [undefined] });
});
