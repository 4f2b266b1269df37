import { expect, test } from "vitest";
import { MOST_SAMPLES, ratePath, rateScale, rateX, rateY, withSample } from "./rates";

const BOX = { left: 50, right: 550, top: 10, bottom: 110 };

test("the axis ends above the limit at a round number", () => {
  expect([rateScale(8500).end, rateScale(1).end, rateScale(100).end, rateScale(0).end]).toEqual([
    10_000, 2, 200, 1,
  ]); // prettier-ignore
});

test("the end of the axis is at the top, nothing at the bottom", () => {
  expect([rateY(200, 200, BOX), rateY(0, 200, BOX), rateY(999, 200, BOX)]).toEqual([10, 110, 10]);
});

test("the picture goes from the first sample to now", () => {
  const samples = [
    { at: 1000, perSecond: 0 },
    { at: 2000, perSecond: 100 },
    { at: 3000, perSecond: 200 },
  ];
  expect(ratePath(samples, 200, BOX)).toBe("M50 110L300 60L550 10");
  expect(rateX(1000, 1000, 1000, BOX)).toBe(550);
});

test("old samples go, and one is not taken twice", () => {
  let samples = withSample([], { at: 0, perSecond: 1 });
  expect(withSample(samples, { at: 0, perSecond: 1 })).toHaveLength(1);
  for (let at = 1; at < 300; at += 1) samples = withSample(samples, { at, perSecond: 1 });
  expect([samples.length, samples[0]?.at]).toEqual([MOST_SAMPLES, 60]);
});
