import { fireEvent, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { renderConsole } from "@/testing/renderConsole";

const AT = "2026-11-30T12:00:00Z";

const held = {
  id: "b7wz4kd2tn",
  pipeline: "shop",
  stage: "load",
  run: "",
  schedule: "",
  kind: "stage.held",
  severity: "page",
  error: "stage.held",
  title: "server closed",
  said: "OperationalError: <b>server</b> closed the connection",
  fingerprint: "f1",
  count: 1,
  firing: 2,
  lanes: [0, 2],
  state: "open",
  urgency: 0,
  opened: AT,
  last: AT,
  resolved: null,
  acknowledged_by: null,
  acknowledged_at: null,
  muted_until: null,
  muted_by: "",
  note: "",
  told: ["ops@example.com"],
  waiting: 0,
  next: null,
};
const dead = {
  ...held,
  id: "dead1",
  stage: "validate",
  kind: "dead",
  severity: "notify",
  error: "Reject",
  title: "nothing was sold",
  said: "",
  count: 5474,
  firing: null,
  lanes: [],
  urgency: 5,
  next: { kind: "growing", at: "2099-01-01T00:00:00Z", if_it_grows: true, to: ["ops@example.com"] },
};
const muted = { ...dead, id: "muted1", state: "muted", muted_until: AT, muted_by: "ops1@desk" };
const more = {
  version: "shop@7",
  history: [
    { at: AT, what: "opened", by: "", text: "first", until: null, earlier: true },
    { at: AT, what: "resolved", by: "", text: "", until: null, earlier: true },
    { at: AT, what: "opened", by: "", text: "20 of 20 tries failed", until: null, earlier: false },
    { at: AT, what: "told", by: "ops@example.com", text: "opened", until: null, earlier: false },
  ],
  facts: [{ name: "by how much", text: "40 usual deviations" }],
  samples: [],
  notices: [],
  route: 1,
  routes: 2,
  digests: [600],
  quiet: 1800,
  before_opened: AT,
  before_resolved: AT,
  same_time: [],
};
const answers = {
  "/api/v1/incidents": {
    needs_somebody: [held, dead],
    in_hand: [muted],
    resolved: [],
    pipelines: ["shop"],
  },
  "/api/v1/incidents/b7wz4kd2tn": { ...held, ...more },
  "/api/v1/incidents/dead1": { ...dead, ...more },
  "/api/v1/incidents/b7wz4kd2tn/acknowledge": { incident: "b7wz4kd2tn", by: "ann" },
  "/api/v1/incidents/b7wz4kd2tn/mute": { target: "b7wz4kd2tn", until: AT },
};

function sentTo(path: string): unknown {
  const [, request] =
    vi.mocked(fetch).mock.calls.findLast(([url]) => String(url).endsWith(path)) ?? [];
  return JSON.parse(String(request?.body));
}

test("what needs somebody comes first, with who is told next, then what is in hand", async () => {
  renderConsole("/incidents", answers);
  const needs = await screen.findByRole("list", { name: "Need somebody" });
  const [first, second] = within(needs).getAllByRole("listitem");
  expect(first?.textContent).toContain("load waiting");
  expect(first?.textContent).toContain("page; told ops@example.com; nobody further");
  expect(second?.textContent).toContain("5\u202f474 dead");
  expect(second?.textContent).toContain("if it grows");
  const inHand = screen.getByRole("list", { name: "In hand" });
  expect(inHand.textContent).toContain("by ops1@desk");
});

test("the timeline parts an earlier spell, and shows text as text", async () => {
  renderConsole("/incidents", answers);
  const one = await screen.findByRole("article", { name: "Incident b7wz4kd2tn" });
  expect(within(one).getByText("opened again")).toBeDefined();
  expect(one.querySelector(".timeline .turn")?.textContent).toContain("resolved");
  expect(within(one).getAllByText(/<b>server<\/b> closed/).length).toBeGreaterThan(0);
});

test("what else an alert says stands below its text", async () => {
  renderConsole("/incidents", answers);
  const one = await screen.findByRole("article", { name: "Incident b7wz4kd2tn" });
  const said = within(one).getByText("by how much");
  expect(said.nextElementSibling?.textContent).toBe("40 usual deviations");
});

test("somebody acknowledges with a note", async () => {
  renderConsole("/incidents", answers);
  await userEvent.type(await screen.findByLabelText("Note"), "at it{Enter}");
  expect(await screen.findByText(/the notifier takes it up/)).toBeDefined();
  expect(sentTo("/acknowledge")).toEqual({ comment: "at it" });
});

test("a snooze is a mute of this incident for 15 minutes", async () => {
  renderConsole("/incidents", answers);
  await userEvent.click(await screen.findByRole("button", { name: "Snooze 15 min" }));
  expect(await screen.findByText("Nothing is sent for 15 min.")).toBeDefined();
  expect(sentTo("/mute")).toEqual({ minutes: 15, whole_stage: false, comment: "" });
});

test("a mute of the whole stage names how long", async () => {
  renderConsole("/incidents", answers);
  await userEvent.click(await screen.findByRole("button", { name: "Mute…" }));
  await userEvent.click(await screen.findByRole("button", { name: "All of load" }));
  await userEvent.click(screen.getByRole("button", { name: "4 h" }));
  await userEvent.click(screen.getByRole("button", { name: "Mute for 4 h" }));
  await screen.findByText("It is muted.");
  expect(sentTo("/mute")).toEqual({ minutes: 240, whole_stage: true, comment: "" });
});

test("J goes to the next incident, and the address names it", async () => {
  const { router } = renderConsole("/incidents", answers);
  await screen.findByRole("article", { name: "Incident b7wz4kd2tn" });
  fireEvent.keyDown(document.body, { key: "j" });
  await screen.findByRole("article", { name: "Incident dead1" });
  expect(router.state.location.search).toMatchObject({ id: "dead1" });
});

test("where nothing is open the page says what would stand there", async () => {
  renderConsole("/incidents", {
    "/api/v1/incidents": { needs_somebody: [], in_hand: [], resolved: [], pipelines: [] },
  });
  expect(await screen.findByText("No incident is open")).toBeDefined();
});

test("the address may name a stage: only its incidents are listed and counted", async () => {
  const { router } = renderConsole("/incidents?stage=validate", answers);
  const needs = await screen.findByRole("list", { name: "Need somebody" });
  expect(within(needs).getAllByRole("listitem")).toHaveLength(1);
  expect(screen.getByRole("button", { name: "Open 2" })).toBeDefined(); // one open, one muted
  await userEvent.click(screen.getByRole("button", { name: /Stage validate/ }));
  expect(router.state.location.search).not.toHaveProperty("stage");
  expect(screen.getByRole("button", { name: "Open 3" })).toBeDefined();
});

test("where no route takes an incident, nobody would be told, and the page says what to do", async () => {
  const next = { kind: "growing", at: "2099-01-01T00:00:00Z", if_it_grows: false, to: [] };
  const untold = { ...dead, id: "untold", next, told: [], waiting: 0 };
  renderConsole("/incidents", {
    "/api/v1/incidents": {
      needs_somebody: [untold],
      in_hand: [],
      resolved: [],
      pipelines: ["shop"],
    },
    "/api/v1/incidents/untold": { ...untold, ...more, history: [], route: null, routes: 0 },
  });
  const one = await screen.findByRole("article", { name: "Incident untold" });
  expect(within(one).queryByText("would tell")).toBeNull();
  expect(one.textContent).toContain("Routes stand in the file, under alerts: of shop.");
  expect(screen.getByText("nobody is told: no route takes it")).toBeDefined();
});

test("a page has one first heading", async () => {
  renderConsole("/incidents", answers);
  await screen.findByRole("article", { name: "Incident b7wz4kd2tn" });
  expect(screen.getAllByRole("heading", { level: 1 })).toHaveLength(1);
});
