import { expect, test } from "vitest";
import {
  counted,
  cutMiddle,
  formatCount,
  formatDuration,
  formatMoment,
  formatRate,
  formatShare,
} from "./format";

const plain = (text: string) => text.replaceAll("\u202f", "_");

test.each([
  [0, "0"],
  [999, "999"],
  [1204, "1_204"],
  [1211185, "1_211_185"],
  [-5507, "−5_507"],
  [9007199254740993n, "9_007_199_254_740_993"],
])("a count of %s is exact, with thin spaces between thousands", (value, text) => {
  expect(plain(formatCount(value))).toBe(text);
});

test.each([
  [200, "0.2 s"],
  [9940, "9.9 s"],
  [9960, "10 s"],
  [25100, "25 s"],
  [59600, "1 min"],
  [63000, "1 min 03 s"],
  [76000, "1 min 16 s"],
  [3056000, "50 min 56 s"],
  [11100000, "3 h 05 min"],
  [187200000, "2 d 4 h"],
  [86400000, "1 d"],
])("%s ms have at most two units", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test("a count has the noun that suits", () => {
  expect([0, 1, 2, 1204].map((each) => plain(counted(each, "event")))).toEqual([
    "0 events",
    "1 event",
    "2 events",
    "1_204 events",
  ]);
  expect(counted(1, "run is amended", "runs are amended")).toBe("1 run is amended");
});

test("a rate has its unit, a decimal only below ten, and two below one", () => {
  expect([0, 0.001, 0.07, 0.4, 0.996, 4.2, 11, 8210].map(formatRate).map(plain)).toEqual([
    "0/s",
    "< 0.01/s",
    "0.07/s",
    "0.4/s",
    "1.0/s",
    "4.2/s",
    "11/s",
    "8_210/s",
  ]);
});

test("a share has two digits, and none where there is no whole", () => {
  expect(formatShare(39, 10000)).toBe("0.39 %");
  expect(formatShare(0, 0)).toBe("");
});

test("a moment has its day where it is not today's", () => {
  const now = Date.parse("2026-11-30T14:31:56Z");
  expect(formatMoment(Date.parse("2026-11-30T14:31:05Z"), "UTC", now)).toBe("14:31:05");
  expect(formatMoment(Date.parse("2026-11-25T01:30:00Z"), "UTC", now)).toBe("Wed 25 Nov 01:30:00");
  expect(formatMoment(Date.parse("2025-11-25T01:30:00Z"), "UTC", now)).toBe(
    "Tue 25 Nov 2025 01:30:00",
  );
});

test("an id is cut in its middle, and only where that saves room", () => {
  expect(cutMiddle("k7mq2vtd4x3aa")).toBe("k7mq2…x3aa");
  expect(cutMiddle("short-id")).toBe("short-id");
});
