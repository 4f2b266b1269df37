import { configure, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { renderConsole } from "@/testing/renderConsole";
import { chosenRow, sectionRows } from "./index";
import type { ControlRow } from "./queries";
import { used } from "./ThrottleSection";
import { controlTroubles } from "./troubles";

configure({ asyncUtilTimeout: 20_000 }); // a busy machine takes its time
vi.setConfig({ testTimeout: 60_000 });

const NOW = Date.parse("2026-11-25T14:32:08Z");

function row(
  kind: ControlRow["kind"],
  mode: string,
  target: string,
  more: object = {},
): ControlRow {
  return {
    id: `${kind}/order-lines/${target}`,
    kind,
    mode,
    pipeline: "order-lines",
    target,
    value: "",
    otherwise: "",
    condition: "",
    share: null,
    since: "2026-11-25T12:40:16Z",
    by: "ops2@desk",
    comment: "",
    until: null,
    generation: 7,
    by_file: null,
    done: {},
    ended: null,
    why: "",
    ...more,
  };
}

const HELD = row("switch", "hold", "publish", { done: { unread: 92331 } });
const CANARY = row("switch", "canary", "price", {
  done: { calls: 2592, evidence: 1.54, ends_at: 2 },
});
const LIMIT = row("limit", "limit", "rates", {
  value: "20/s",
  by_file: "order-lines@7",
  since: null,
  by: "",
});
const ROWS = [HELD, CANARY, LIMIT];

const OPTIONS = {
  pipeline: "order-lines",
  version: "order-lines@7",
  stages: [
    {
      stage: "publish",
      run: "a:b",
      obstacles: { bypass: "publish cannot be bypassed: it takes lists" },
      throttle_obstacle: "",
    },
    { stage: "price", run: "a:b", obstacles: {}, throttle_obstacle: "" },
  ],
  flags: [],
  limits: ["rates"],
};

function answers(rows = ROWS, more: object = {}) {
  return {
    "/api/v1/control": { now: "", rows, ended: [], unfit: [], unreadable: [] },
    "/api/v1/pipelines": [
      {
        pipeline: "order-lines",
        version: 7,
        in_folder: true,
        stages: ["publish", "price"],
        events: [],
        roots: [],
        published: "2026-11-25T12:40:16Z",
        published_by: "ann",
      },
    ],
    "/api/v1/control/order-lines/options": OPTIONS,
    ...more,
  };
}

function written(): unknown[] {
  const bodies = vi.mocked(fetch).mock.calls.flatMap(([, init]) => init?.body ?? []);
  return bodies.map((body) => JSON.parse(String(body)));
}

test("what waits without an end is bold, and what the file says has no button", async () => {
  renderConsole("/control", answers());
  const table = await screen.findByRole("table", { name: "In force" });
  expect(within(table).getByText("no end set").tagName).toBe("B");
  expect(within(table).getByText("in the file")).toBeTruthy();
  expect(
    within(table)
      .getAllByRole("button")
      .map((button) => button.textContent),
  ).toEqual(["Release…", "End…"]);
});

test("a stage that is held is released: it is switched on", async () => {
  renderConsole("/control", answers([HELD], { "/api/v1/control/order-lines/switch": {} }));
  await userEvent.click(await screen.findByRole("button", { name: "Release…" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.click(within(dialog).getByRole("button", { name: "Release publish" }));
  await waitFor(() => expect(written()).toMatchObject([{ mode: "on", stage: "publish" }]));
});

test("a mode that a stage cannot have is off, and says why", async () => {
  renderConsole("/control", answers());
  await userEvent.click(await screen.findByRole("button", { name: "Switch…" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.selectOptions(await within(dialog).findByLabelText("Stage"), "publish");
  expect(within(dialog).getByRole("button", { name: "bypass" }).title).toBe(
    "publish cannot be bypassed: it takes lists",
  );
});

test("nothing is on hold that nobody has chosen: a stage, or all of them by name", async () => {
  renderConsole("/control", answers());
  await userEvent.click(await screen.findByRole("button", { name: "Switch…" }));
  const dialog = await screen.findByRole("dialog");
  const deed = within(dialog).getByRole("button", { name: "Hold" });
  expect(deed.title).toBe("Choose a stage");
  await userEvent.selectOptions(await within(dialog).findByLabelText("Stage"), "price");
  expect(within(dialog).getByRole("button", { name: "Hold price" }).title).toBe("");
  await userEvent.selectOptions(
    within(dialog).getByLabelText("Stage"),
    "all stages of order-lines",
  );
  expect(within(dialog).getByRole("button", { name: "Hold order-lines" })).toBeTruthy();
  expect(within(dialog).getByRole("button", { name: "canary" }).title).toBe(
    "A whole pipeline can only be on hold",
  );
});

test("what the server refuses is said in the dialog, which stays", async () => {
  renderConsole(
    "/control",
    answers(ROWS, {
      "/api/v1/control/order-lines/throttle": Response.json(
        { code: "invalid_request", detail: "rate: 'fast' is no rate" },
        { status: 400 },
      ),
    }),
  );
  await userEvent.click(await screen.findByRole("button", { name: "Throttle…" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.type(within(dialog).getByLabelText("Rate"), "fast");
  await userEvent.click(await within(dialog).findByRole("button", { name: "Throttle publish" }));
  expect((await within(dialog).findByRole("alert")).textContent).toBe("Rate: 'fast' is no rate");
});

test("nothing in force: everything simply works", async () => {
  renderConsole("/control", answers([]));
  expect(await screen.findByText("Everything simply works")).toBeTruthy();
});

test("a stage is found by the address, and its section comes first", () => {
  const throttle = row("throttle", "throttle", "validate");
  const rows = [CANARY, throttle, LIMIT];
  expect(chosenRow(rows, undefined, "validate")).toBe(throttle);
  expect(sectionRows(rows, throttle)).toEqual([throttle, CANARY]);
  expect(sectionRows(rows, undefined)).toEqual([CANARY, throttle]);
});

test("what waits for a stage on hold is told in events, and in offsets where the books do not know", () => {
  const words = (done: object) =>
    controlTroubles([{ ...HELD, done: { ...HELD.done, ...done } }], NOW)[0]?.reason.split("; ")[1];
  expect(words({ in_flight: 8, unread: null })).toBe("8 in flight");
  expect(words({ in_flight: null, unread: 11 })).toBe("11 unread");
  expect(words({ in_flight: 0, unread: null })).toBeUndefined();
});

test("a lane with a backlog uses all of its share, also if nothing new arrives", () => {
  expect(used({ per_second: 5, arrivals: 0, waiting: 301 })).toBe("100%");
  expect(used({ per_second: 5, arrivals: 2, waiting: 0 })).toBe("40%");
});

test("where the file has no flags the dialog says so", async () => {
  renderConsole("/control", answers());
  await userEvent.click(await screen.findByRole("button", { name: "Flag…" }));
  expect((await screen.findByRole("dialog")).textContent).toContain("has no flags");
});

test("the strip has what waits first, then a canary that seems worse, then what ends soon", () => {
  const flag = row("flag", "flag", "rounding", {
    until: "2026-11-25T15:00:00Z",
    otherwise: '"up"',
  });
  const found = controlTroubles([flag, CANARY, HELD], NOW);
  expect(found.map(({ name, words }) => `${name} ${words}`)).toEqual([
    "publish on hold",
    "price canary seems worse",
    "rounding ends soon",
  ]);
});
