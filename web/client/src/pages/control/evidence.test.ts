import { expect, test } from "vitest";
import {
  attemptScale,
  attemptX,
  evidencePath,
  evidenceY,
  factorText,
  failureMarks,
  labelPlaces,
  WIDE,
  withNewest,
} from "./evidence";
import type { EvidencePoint } from "./queries";

function point(candidate: number, failed: number, evidence: number): EvidencePoint {
  return {
    at: "2026-11-25T14:32:08Z",
    candidate,
    failed,
    stable: 9 * candidate,
    evidence,
    evidence_of_failures: evidence,
    evidence_of_times: -evidence,
  };
}

test("the scale has its bounds at ×100 and 1/100, and no evidence in the middle", () => {
  expect([2, 1, 0, -1, -2].map(evidenceY)).toEqual([28, 63, 98, 133, 168]);
});

test("evidence beyond the bounds stays in the picture", () => {
  expect([evidenceY(9), evidenceY(-9)]).toEqual([14, 182]);
});

test.each([
  [2592, 3000, [0, 1000, 2000, 3000]],
  [40, 40, [0, 20, 40]],
  [0, 2, [0, 1, 2]],
])("the axis of %s attempts ends at %s", (most, end, ticks) => {
  expect(attemptScale(most, WIDE)).toEqual({ end, ticks });
});

test("a line begins without evidence and goes through its points", () => {
  const path = evidencePath([point(1000, 0, 1), point(3000, 2, 2)], "evidence", 3000, WIDE);
  expect(path).toBe(`M52 98L${attemptX(1000, 3000, WIDE)} 63L522 28`);
});

test("a failure is marked where it came, two at once by one mark", () => {
  expect(
    failureMarks([point(10, 0, 0), point(20, 2, 1), point(30, 2, 1), point(40, 3, 1)]),
  ).toEqual([20, 40]);
});

test("the newest point is added once", () => {
  const known = [point(10, 0, 0)];
  expect(withNewest(known, point(20, 1, 1))).toHaveLength(2);
  expect(withNewest(known, point(10, 0, 0))).toHaveLength(1);
  expect(withNewest(known, undefined)).toHaveLength(1);
});

test.each([
  [1.544, "×35"],
  [-1.23, "1/17"],
  [0, "1"],
  [0.3, "×2"],
  [2, "×100"],
])("the logarithm %s is %s", (logarithm, text) => {
  expect(factorText(logarithm)).toBe(text);
});

test("the words of two ends stand apart and in the picture, also where both lines end alike", () => {
  expect(labelPlaces(60, 140)).toEqual([60, 140]);
  expect(labelPlaces(100, 100)).toEqual([85, 115]);
  expect(labelPlaces(180, 175)).toEqual([172, 142]);
  expect(labelPlaces(14, 20)).toEqual([38, 68]);
});
