import { expect, test } from "vitest";
import { percent, repeatedText, worstFirst } from "./feeds";
import { figure } from "./measured";
import type { Feed } from "./queries";

function feed(event: string, score: number | null, verdicts: Record<string, number>): Feed {
  const point = { run: "r", window: null, at: "", rows: 1, unreadable: 0, died: 0, passed: 1 };
  return { event, score, rows: 1, points: [{ ...point, score, verdicts }] };
}

test("feeds with failed checks come first, then warned ones, then low scores", () => {
  const feeds = [
    feed("fine", 1, { passed: 3 }),
    feed("low", 0.5, { passed: 3 }),
    feed("warned", 1, { warned: 1 }),
    feed("failed", 1, { failed: 1, warned: 9 }),
    feed("unjudged", null, {}),
  ];
  expect(worstFirst(feeds).map((one) => one.event)).toEqual([
    "failed",
    "warned",
    "low",
    "fine",
    "unjudged",
  ]);
});

test("a score says 100 % only where nothing is missing", () => {
  expect([percent(1), percent(0.999_999), percent(0.9861)]).toEqual([
    "100 %",
    "99.99 %",
    "98.61 %",
  ]);
});

test("numbers have at most six digits that count", () => {
  expect([figure(null), figure(1_234_567), figure(0.123456789), figure(-3)]).toEqual([
    "",
    "1\u202f234\u202f567",
    "0.123457",
    "−3",
  ]);
});

test("how many rows come again is said as well as it is known", () => {
  expect([null, 0.004, 0.251].map(repeatedText)).toEqual([
    "",
    "; fewer than 2 % of them come again",
    "; about 25 % of them come again, byte for byte",
  ]);
});
