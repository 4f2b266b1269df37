import { expect, test } from "vitest";
import { countOf, isAsked, runsQuery } from "./asked";

test("every filter of the address is asked of the server", () => {
  const search = {
    pipeline: "order-lines",
    status: "dead",
    late: "1",
    version: "7",
    since: "1h",
    q: "k7",
  };
  expect(runsQuery(search, 10_000_001)).toEqual({
    pipeline: "order-lines",
    status: ["completed with dead letters", "settled with dead letters"],
    late: true,
    version: 7,
    since: 6_360_000,
    q: "k7",
  });
});

test("what no filter knows is left out", () => {
  expect(runsQuery({ status: "odd", version: "x", since: "ever" }, 0)).toEqual({});
});

test("a group counts all of its statuses", () => {
  expect(countOf({ running: 2, cancelling: 1, failed: 9 }, "running")).toBe(3);
});

const run = {
  run: "k7mq2vtd4x3aa",
  pipeline: "order-lines",
  status: "running",
  late: false,
  version: 7,
  opened: 5_000,
  schedule: "Nightly",
  root: "feed.requested",
};

test.each([
  [{}, true],
  [{ pipeline: "other" }, false],
  [{ status: ["running", "cancelling"] }, true],
  [{ status: ["failed"] }, false],
  [{ late: true }, false],
  [{ version: 6 }, false],
  [{ since: 5_000 }, true],
  [{ since: 5_001 }, false],
  [{ q: "K7" }, true],
  [{ q: "nightly" }, true],
  [{ q: "feed" }, true],
  [{ q: "zz" }, false],
])("a run that the stream tells is listed as the server lists it: %j %s", (query, listed) => {
  expect(isAsked(query, run)).toBe(listed);
});
