import { expect, test } from "vitest";
import type { Mark } from "./queries";
import { pausedSpan, rangeAround, rangeBeside, scale, shapes, stripText } from "./week";

const WEDNESDAY = Date.parse("2026-11-25T14:32:08Z");
const week = rangeAround("week", WEDNESDAY, "UTC", WEDNESDAY);
const place = scale(week, 532);

function mark(state: Mark["state"], planned: string, more: Partial<Mark> = {}): Mark {
  return { planned, state, why: "", status: "", ...more };
}

test("a week goes from Monday to Sunday and names today", () => {
  expect(week.title).toBe("23 to 29 Nov 2026");
  expect(week.ticks.map(({ word }) => word)).toEqual([
    "Mon 23",
    "Tue 24",
    "Wed 25",
    "Thu 26",
    "Fri 27",
    "Sat 28",
    "Sun 29",
  ]); // prettier-ignore
  expect(week.ticks.findIndex(({ now }) => now)).toBe(2);
});

test("a week that ends in another month names both", () => {
  expect(rangeBeside(week, 1, "UTC", WEDNESDAY).title).toBe("30 Nov to 6 Dec 2026");
});

test("a month has its days, and the ranges beside it are months", () => {
  const month = rangeAround("month", WEDNESDAY, "UTC", WEDNESDAY);
  expect([month.title, new Date(month.end).toISOString()]).toEqual([
    "November 2026",
    "2026-12-01T00:00:00.000Z",
  ]); // prettier-ignore
  expect(rangeBeside(month, -1, "UTC", WEDNESDAY).title).toBe("October 2026");
});

test("a time stands where it is in the week, and what is outside at its edge", () => {
  expect(place(Date.parse("2026-11-25T00:00:00Z"))).toBe(152);
  expect(place(Date.parse("2026-12-25T00:00:00Z"))).toBe(532);
});

test("a late firing stands where it fired, with a line from its planned time", () => {
  const late = mark("late", "2026-11-24T01:30:00Z", { at: "2026-11-24T07:40:12Z" });
  expect(shapes([late], place)).toEqual([{ kind: "bar", x: 100.3, from: 80.8, mark: late }]);
});

test("what is to come is hollow, and what did not fire has its own icon", () => {
  const marks = [
    mark("planned", "2026-11-26T01:30:00Z"),
    mark("missed", "2026-11-24T01:30:00Z"),
    mark("skipped", "2026-11-24T02:30:00Z"),
  ];
  const found = shapes(marks, place);
  expect(found.map(({ kind }) => kind)).toEqual(["plan", "icon", "icon"]);
  expect(found.map((shape) => (shape.kind === "icon" ? shape.icon : ""))).toEqual([
    "",
    "missed",
    "cancelled",
  ]); // prettier-ignore
});

test("a pause without an end goes to the edge, and one that is over is not drawn", () => {
  const since = "2026-11-25T14:22:05Z";
  const span = pausedSpan({ since, until: null }, week, WEDNESDAY);
  expect(span).toEqual({ from: Date.parse(since), to: week.end, gate: true });
  expect(pausedSpan({ since: null, until: "2026-11-24T00:00:00Z" }, week, WEDNESDAY)).toBe(
    undefined,
  );
  expect(pausedSpan(null, week, WEDNESDAY)).toBe(undefined);
});

test("a strip is said in words", () => {
  const days = {
    pipeline: "p",
    schedule: "s",
    marks: [],
    bands: [],
    counts: { fired: 3, missed: 1 },
  };
  expect(stripText(days, true)).toBe("3 fired, 1 missed; paused");
  expect(stripText(undefined, false)).toBe("nothing planned");
});
