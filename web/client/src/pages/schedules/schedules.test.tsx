import { configure, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { renderConsole } from "@/testing/renderConsole";
import { historyRows } from "./History";
import type { Firing, ScheduleState } from "./queries";

configure({ asyncUtilTimeout: 20_000 }); // a busy machine takes its time
vi.setConfig({ testTimeout: 60_000 });

const NEXT = new Date(Date.now() + 3_600_000).toISOString();

const NIGHTLY = {
  pipeline: "order-lines",
  schedule: "nightly",
  version: "order-lines@7",
  spec: { triggers: "feed.requested", cron: "30 2 * * *", zone: "Europe/Berlin", jitter: 5 },
  when: "30 2 * * * in Europe/Berlin",
  overlap: "skip",
  catch_up: "latest within 6h",
  paused: null,
  next: [{ planned: NEXT, local: NEXT, fires: NEXT }],
  problem: null,
  overdue: null,
  late: null,
  decided: null,
  last: null,
  running: [],
  waiting: [],
  arrivals: {},
  orders: [],
  backfills: [],
  unseen: [],
} as unknown as ScheduleState;

const PAUSED = {
  by_file: false,
  pipeline: false,
  since: "2026-11-25T14:22:05Z",
  until: null,
  by: "ops1@desk",
  comment: "the whole year first",
  generation: 7,
};

const FIRED: Firing = {
  pipeline: "order-lines",
  schedule: "nightly",
  planned: "2026-11-24T01:30:00Z",
  suffix: "",
  outcome: "fired",
  reason: "ops2@desk has paused it until 07:40",
  at: "2026-11-24T07:40:12Z",
  version: 7,
  event: "nightly/2026-11-24T01:30:00Z",
  type: "feed.requested",
  run: "vu5dk3tq8mzfa",
  by: "",
  order: "",
  tzdata: "2026b",
  local: "2026-11-24T02:30:00+01:00",
  status: "completed",
};

function answers(schedule: ScheduleState, schedulers = 1) {
  return {
    "/api/v1/schedules": { schedules: [schedule], schedulers, unfit: [] },
    "/api/v1/schedules/calendar": { start: "", end: "", now: "", days: [], cut: false },
    "/api/v1/schedules/order-lines/nightly": {
      schedule,
      history: [FIRED],
      more: false,
      next_page: null,
      schedulers,
    },
    "/api/v1/schedules/order-lines/nightly/backfill-plan": {
      pipeline: "order-lines",
      schedule: "nightly",
      start: "2026-11-09T00:00:00Z",
      end: "2026-11-25T00:00:00Z",
      planned: 4,
      excluded: 1,
      fired: 1,
      times: ["2026-11-19T01:30:00Z", "2026-11-20T01:30:00Z"],
      excluded_times: ["2026-11-22T01:30:00Z"],
      version: "order-lines@7",
      token: "abc",
      warning: null,
    },
  };
}

test("a schedule stands with its next firing, and its history with reasons", async () => {
  renderConsole("/schedules", answers(NIGHTLY));
  expect(await screen.findByText("30 2 * * * in Europe/Berlin")).toBeTruthy();
  expect(await screen.findByText("ops2@desk has paused it until 07:40")).toBeTruthy();
  expect(screen.getByText("fired late", { selector: ".state *" })).toBeTruthy();
});

test("a paused schedule says by whom and why, and is resumed", async () => {
  renderConsole("/schedules", answers({ ...NIGHTLY, paused: PAUSED } as ScheduleState));
  expect((await screen.findAllByText("by ops1@desk: the whole year first")).length).toBeGreaterThan(
    0,
  );
  expect(screen.getByText("no end set")).toBeTruthy();
  expect(screen.getByRole("button", { name: "Resume…" })).toBeTruthy();
});

test("without a scheduler the page says that nothing fires, and what runs one", async () => {
  renderConsole("/schedules", answers(NIGHTLY, 0));
  expect(await screen.findByText("No scheduler is at work, so nothing fires")).toBeTruthy();
  expect(screen.getByText("farandole keep-time")).toBeTruthy();
});

test("no schedules: what would stand here, and what fills it", async () => {
  renderConsole("/schedules", {
    ...answers(NIGHTLY),
    "/api/v1/schedules": { schedules: [], schedulers: 0, unfit: [] },
  });
  expect(await screen.findByText("No version in force has schedules")).toBeTruthy();
});

test("a backfill names its number, and is ordered with the token of its count", async () => {
  renderConsole("/schedules?name=nightly", answers(NIGHTLY));
  const button = await screen.findByRole("button", { name: "Backfill 2 planned times" });
  await userEvent.click(button);
  await waitFor(() => {
    const bodies = vi.mocked(fetch).mock.calls.flatMap(([, init]) => init?.body ?? []);
    expect(bodies.map((body) => JSON.parse(String(body)))).toMatchObject([
      { token: "abc", start: "2026-11-09T00:00:00Z", end: "2026-11-25T00:00:00Z" },
    ]);
  });
});

test("a large backfill begins only after the name of the schedule was typed", async () => {
  const known = answers(NIGHTLY);
  const path = "/api/v1/schedules/order-lines/nightly/backfill-plan";
  const times = Array.from({ length: 301 }, (_, day) =>
    new Date(Date.UTC(2026, 0, 1 + day)).toISOString(),
  );
  renderConsole("/schedules?name=nightly", { ...known, [path]: { ...known[path], times } });
  const written = () => vi.mocked(fetch).mock.calls.filter(([, init]) => init?.body).length;
  await userEvent.click(await screen.findByRole("button", { name: "Backfill 301 planned times…" }));
  const dialog = await screen.findByRole("dialog");
  const deed = within(dialog).getByRole("button", { name: "Backfill 301 planned times" });
  await userEvent.click(deed);
  expect([deed.getAttribute("title"), written()]).toEqual(["Type nightly first", 0]);
  await userEvent.type(within(dialog).getByLabelText(/Type nightly/), "nightly");
  await userEvent.click(deed);
  await waitFor(() => expect(written()).toBe(1));
});

test.each([
  ["Pause…", "Pause nightly", NIGHTLY, "pause"],
  ["Resume…", "Resume nightly", { ...NIGHTLY, paused: PAUSED } as ScheduleState, "resume"],
])("%s sends its end and its reason, and nothing else", async (button, deed, schedule, path) => {
  renderConsole("/schedules?name=nightly", {
    ...answers(schedule),
    [`/api/v1/schedules/order-lines/nightly/${path}`]: { generation: 8 },
  });
  await userEvent.click(await screen.findByRole("button", { name: button }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.type(within(dialog).getByLabelText("Why"), "a test");
  await userEvent.click(within(dialog).getByRole("button", { name: deed }));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
});

test("what is fired by hand is asked for in a dialog that shows why it was refused", async () => {
  renderConsole("/schedules?name=nightly", {
    ...answers(NIGHTLY),
    "/api/v1/schedules/order-lines/nightly/fire": Response.json(
      { code: "arrival_missing", detail: "it fires when its file comes" },
      { status: 422 },
    ),
  });
  await userEvent.click(await screen.findByRole("button", { name: "Fire now…" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.click(within(dialog).getByRole("button", { name: "Fire now" }));
  expect((await within(dialog).findByRole("alert")).textContent).toBe(
    "It fires when its file comes",
  );
});

test("a second firing by hand stands below the first, and what is to come above all", () => {
  const again: Firing = { ...FIRED, suffix: "7f3b", by: "bob" };
  const rows = historyRows(NIGHTLY, [again, FIRED], true);
  expect(rows.map(({ key }) => key)).toEqual([
    "next",
    "2026-11-24T01:30:00Z#",
    "2026-11-24T01:30:00Z#7f3b",
  ]);
});
