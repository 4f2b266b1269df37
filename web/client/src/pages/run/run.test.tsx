import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { renderConsole } from "@/testing/renderConsole";
import { columnsOf } from "./BalanceSheet";
import { edge, shown } from "./balance/made";
import type { Timeline } from "./model";
import { sheetAsCsv } from "./sheetCsv";
import { timelineShape } from "./timelineShape";

function slicesOf(load: number[]): Timeline {
  return { run: "r", start: 1_000, width: 1_000, stages: { load }, complete: true };
}

const path = "/api/v1/runs/k7mq2vtd4x3aa";

test("a run shows where its events are, with the exact counts in the sheet", async () => {
  renderConsole("/runs/k7mq2vtd4x3aa", { [path]: shown() });
  const sheet = await screen.findByRole("table", { name: "Balance sheet" });
  const row = within(sheet).getAllByRole("row")[4];
  expect(row?.textContent?.replaceAll("\u202f", "")).toContain(
    "line.ingestedvalidate1211185=1205259",
  );
  expect(screen.getAllByText("adds up, difference 0")).toBeTruthy();
});

test("what nobody accounts for is said first", async () => {
  renderConsole("/runs/k7mq2vtd4x3aa", { [path]: shown(412) });
  const banner = await screen.findByRole("alert");
  expect(banner.textContent).toContain("412 events are unaccounted for");
  expect(banner.textContent).toContain("farandole audit k7mq2vtd4x3aa");
});

test("a run that is not known says so and names what helps", async () => {
  const problem = {
    title: "Not Found",
    status: 404,
    detail: "no run in the books begins with 'zzz'",
    code: "unknown_run",
    next_steps: [{ lead: "what there are says", command: "farandole runs", note: "" }],
  };
  renderConsole("/runs/zzz", { "/api/v1/runs/zzz": Response.json(problem, { status: 404 }) });
  expect(await screen.findByText("No run in the books begins with 'zzz'")).toBeTruthy();
  expect(screen.getByText("farandole runs")).toBeTruthy();
});

test("a run names the one that it repeats, and the newest that repeats it", async () => {
  const listed = (run: string, again: string | null) => ({ run, again, opened: 1_764_426_999_000 });
  const { fetched } = renderConsole("/runs/k7mq2vtd4x3aa", {
    [path]: { ...shown(), again: "aaaa2vtd4xaaa" },
    "/api/v1/runs": {
      runs: [listed("cccc2vtd4xccc", "k7mq2vtd4x3aa"), listed("k7mq2vtd4x3aa", "aaaa2vtd4xaaa")],
    },
  });
  const newer = await screen.findByRole("link", { name: "cccc2…xccc" });
  expect(newer.getAttribute("href")).toBe("/runs/cccc2vtd4xccc");
  expect(screen.getByRole("link", { name: "aaaa2…xaaa" })).toBeTruthy();
  expect(fetched).toContain("/api/v1/runs?q=k7mq2vtd4x3aa&limit=20");
});

test("before a run is cancelled its events in flight are counted, by stage", async () => {
  renderConsole("/runs/k7mq2vtd4x3aa", {
    [path]: shown(),
    [`${path}/cancel`]: {
      run: "k7mq2vtd4x3aa",
      in_flight: [{ edge: "line.priced>load", stage: "load", events: 268_634, pause: null }],
    },
  });
  await userEvent.click(await screen.findByRole("button", { name: "Cancel run…" }));
  expect(await screen.findByRole("button", { name: "Cancel 268\u202f634 events" })).toBeTruthy();
});

test("a run that is over cannot be cancelled", async () => {
  renderConsole("/runs/k7mq2vtd4x3aa", { [path]: { ...shown(), closed: 5, status: "completed" } });
  const button = await screen.findByRole("button", { name: "Cancel run…" });
  expect(button.getAttribute("aria-disabled")).toBe("true");
  expect(button.title).toBe("The run is over: completed");
});

test("outcomes that hardly ever happen have a column only where they did", () => {
  expect(columnsOf([edge("a", "b", 3)]).settled).not.toContain("bypassed");
  expect(columnsOf([edge("a", "b", 3, { bypassed: 1 })]).settled).toContain("bypassed");
});

test("the sheet as CSV begins no cell with a formula", () => {
  const run = { ...shown(), edges: [edge('=HYPERLINK("x")', "b,c", 3)] };
  expect(sheetAsCsv(run).split("\n")[1]).toBe(`"'=HYPERLINK(""x"")","b,c",,3,3,0,0,0,0,0,0,0,0`);
});

test("a timeline draws each slice at its time, and none outside", () => {
  const shape = timelineShape(slicesOf([0, 5, 10]), ["load"], 1_000 + 3_000, 1_000);
  expect(shape.areas.map((area) => [area.stage, area.peak])).toEqual([["load", 10]]);
  expect(shape.areas[0]?.path.match(/M/g)).toHaveLength(2);
  for (const tick of shape.ticks) expect(tick.x).toBeLessThanOrEqual(1_000);
});
