import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { renderConsole } from "@/testing/renderConsole";

const base = {
  pipeline: "order-lines",
  version: 7,
  status: "completed with dead letters",
  opened: 1_000,
  closed: 6_000,
  events: 93_255,
  dead: 114,
  in_flight: 0,
  late: false,
  schedule: null,
  planned: null,
  last: 6_000,
  amended: 0,
  lines: 31_085,
  within: null,
  root: "feed.requested",
};
const late = {
  ...base,
  run: "k7mq2vtd4x3aa",
  status: "running",
  closed: null,
  late: true,
  in_flight: 594_120,
};
const ended = { ...base, run: "syebannd6yz2e" };
const overview = {
  statuses: { running: 1, "completed with dead letters": 1 },
  late: 1,
  total: 2,
  versions: [{ pipeline: "order-lines", version: 7, runs: 2 }],
  durations: { newest: [], median: null, p95: null },
  revision: "r",
};

function answers(runs: unknown[]) {
  return {
    "/api/v1/pipelines": [],
    "/api/v1/runs": { runs, cursor: null, total: runs.length, before: {}, revision: "r" },
    "/api/v1/runs/overview": { ...overview, total: runs.length },
  };
}

const plain = (element: HTMLElement) => element.textContent?.replaceAll("\u202f", "") ?? "";

test("a run says in one row how it is, and its books", async () => {
  renderConsole("/runs", answers([late, ended]));
  const first = await screen.findByRole("row", { name: /k7mq2vtd4x3aa/ });
  expect(plain(first)).toMatch(/^running, late.*feed\.requested@7.*31085114594120open$/);
  const second = screen.getByRole("row", { name: /syebannd6yz2e/ });
  expect(plain(second)).toMatch(/^completed dead letters.*5\.0 s.*310851140balanced$/);
});

test("a status that is chosen stands in the address and is asked of the server", async () => {
  const { fetched, router } = renderConsole("/runs?q=k7", answers([late]));
  const status = await screen.findByRole("group", { name: "Status" });
  await userEvent.click(await within(status).findByRole("button", { name: /^With dead letters/ }));
  await expect.poll(() => router.state.location.href).toBe("/runs?q=k7&status=dead");
  await expect
    .poll(() => fetched.map(decodeURIComponent))
    .toContain(
      "/api/v1/runs?status=completed+with+dead+letters&status=settled+with+dead+letters&q=k7&limit=100",
    );
});

test("J and Enter open a run", async () => {
  const { router } = renderConsole("/runs", answers([late, ended]));
  await screen.findByRole("row", { name: /syebannd6yz2e/ });
  await userEvent.keyboard("jj{Enter}");
  await expect.poll(() => router.state.location.pathname).toBe("/runs/syebannd6yz2e");
});

test("without runs the page says how one begins, and with a filter how to see all", async () => {
  renderConsole("/runs", answers([]));
  expect(await screen.findByRole("heading", { name: "No run yet" })).toBeTruthy();
});

test("the command of an empty list can be run as it stands", async () => {
  renderConsole("/runs", {
    ...answers([]),
    "/api/v1/pipelines": [{ pipeline: "shop", in_folder: true, roots: ["order.placed"] }],
    "/api/v1/trigger": {
      events: [{ event_type: "order.placed", sample: '{\n  "item": "it\'s tea"\n}' }],
    },
  });
  expect(
    await screen.findByText(`farandole trigger order.placed --data '{ "item": "it'\\''s tea" }'`),
  ).toBeTruthy();
});

test("a filter that nothing matches can be taken away", async () => {
  const { router } = renderConsole("/runs?status=failed", answers([]));
  await userEvent.click(await screen.findByRole("button", { name: "Show all runs" }));
  await expect.poll(() => router.state.location.href).toBe("/runs");
});

test("a list that cannot be read says why and what to do", async () => {
  const refusal = Response.json(
    { detail: "rows in between are missing", code: "rows_missing", next_steps: [] },
    { status: 400 },
  );
  renderConsole("/runs", { ...answers([]), "/api/v1/runs": refusal });
  expect(
    await screen.findByRole("heading", { name: "The list of runs cannot be read" }),
  ).toBeTruthy();
  expect(screen.getByText("Rows in between are missing")).toBeTruthy();
});
