/** Does the audit log tell who did what, and how it ended? */

import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { renderConsole } from "@/testing/renderConsole";
import { type Action, actionsQuery } from "./queries";
import { changeWords } from "./words";

const paused: Action = {
  offset: 7,
  id: "a7",
  at: "2026-11-30T12:00:00Z",
  recorded: "2026-11-30T12:00:00Z",
  who: "ann",
  role: "operator",
  via: "web",
  origin: "10.0.0.7",
  what: "pause",
  target: "load",
  pipeline: "order-lines",
  by: "bob",
  reason: "the disk is full <b>\u202e",
  before: { mode: "on" },
  after: { mode: "hold" },
  result: "ok",
  code: "",
};

const refused: Action = {
  ...paused,
  offset: 6,
  id: "a6",
  what: "cancel",
  target: "k7mq2vtd4x3aa",
  result: "refused",
  code: "run_closed",
  reason: "",
  before: null,
  after: null,
};

const answers = {
  "/api/v1/actions": { actions: [paused, refused], next: null, missing: false },
  "/api/v1/actions/names": ["cancel", "pause"],
  "/api/v1/pipelines": [],
};

test("each deed is told in a row, and what was refused says why", async () => {
  renderConsole("/actions", answers);
  const row = (await screen.findByText("on → hold")).closest("tr");
  expect(row?.textContent).toContain("ann for bob");
  expect(screen.getByText(/run closed/)).toBeDefined();
  expect(screen.getByRole("link", { name: "k7mq2vtd4x3aa" }).getAttribute("href")).toBe(
    "/runs/k7mq2vtd4x3aa",
  );
});

test.each([
  ["dead replay", "check/2", "/dead-letters?letter=order-lines%2Fcheck%2F2&state=all"],
  ["ack", "zo7dphod", "/incidents?id=zo7dphod"],
  ["schedules fire", "nightly", "/schedules?pipeline=order-lines&name=nightly"],
])(
  "what was done to a letter, an incident or a schedule leads there: %s",
  async (what, target, href) => {
    const deed = { ...paused, what, target };
    renderConsole("/actions", {
      ...answers,
      "/api/v1/actions": { actions: [deed], next: null, missing: false },
    });
    const link = await screen.findByRole("link", { name: target });
    expect(link.getAttribute("href")).toBe(href);
  },
);

test("a deed of the address is shown whole, and what it says is text", async () => {
  renderConsole("/actions?action=a7", answers);
  const panel = await screen.findByRole("complementary", { name: "pause" });
  expect(within(panel).getByText("10.0.0.7")).toBeDefined();
  expect(within(panel).getByText(/"hold"/)).toBeDefined();
  expect(panel.querySelector("b")).toBeNull();
  expect(panel.textContent).not.toContain("\u202e");
  await userEvent.keyboard("{Escape}");
  expect(screen.queryByRole("complementary", { name: "pause" })).toBeNull();
});

test("filters of the address are what is asked for", async () => {
  const { fetched } = renderConsole("/actions?who=ann&result=refused&of=load", {
    ...answers,
    "/api/v1/actions": { actions: [], next: null, missing: false },
  });
  expect(await screen.findByText("Nobody has done that")).toBeDefined();
  expect(fetched).toContain("/api/v1/actions?who=ann&target=load&result=refused");
});

test("a result that there is not is not asked for", () => {
  expect(actionsQuery({ result: "nonsense", since: "1h" }, 3_660_000)).toEqual({
    who: "",
    what: "",
    target: "",
    pipeline: "",
    since: 60_000,
  });
});

test("a change is told in short", () => {
  const version = { before: { version: "p@6" }, after: { version: "p@7" } };
  expect(changeWords({ ...paused, ...version })).toBe("p@6 → p@7");
  expect(changeWords({ ...paused, before: null, after: { replayed: { a: 2, b: 3 } } })).toBe(
    "5 replayed",
  );
  expect(changeWords({ ...paused, before: null, after: { paused: false } })).toBe("goes on");
  expect(changeWords(refused)).toBe("");
});
