import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { renderConsole } from "@/testing/renderConsole";

const API = "/api/v1/dead-letters";
const AT = "2026-11-30T12:00:00Z";

const kind = {
  pipeline: "shop",
  stage: "validate",
  fingerprint: "x3kq7m2pab",
  error: "Reject",
  title: "something was paid for a quantity of #",
  open: 3,
  replayed: 4,
  discarded: 0,
  first: AT,
  last: AT,
  newest: 9,
  counts: Array(12).fill(0),
};
const letters = [9, 8, 7].map((offset) => ({
  pipeline: "shop",
  stage: "validate",
  offset,
  time: AT,
  error: "Reject",
  title: kind.title,
  fingerprint: kind.fingerprint,
  run: "k7mq2vtd4x3aa",
  event: `line.ingested/3/${offset}`,
  label: ["basket_id", `3218661688${offset}`],
  settled: null,
  settled_by: null,
  settled_at: null,
}));
const detail = {
  pipeline: "shop",
  stage: "validate",
  offset: 9,
  time: AT,
  error: "Reject",
  message: "something was <img src=x> paid \u202e for 0",
  place: "stages/validate.py:13",
  traceback: "",
  attempts: 1,
  replays: 0,
  first_failed: "",
  last_failed: "",
  variant: "",
  fingerprint: kind.fingerprint,
  run: "k7mq2vtd4x3aa",
  version: "shop@7",
  event_id: "chunk.planned/1/2/7345",
  event_type: "line.ingested",
  topic: "shop.line.ingested",
  partition: 3,
  event_offset: 9,
  key: "•••",
  key_personal: true,
  revealed: false,
  headers: [],
  data: '{\n  "household_id": "•••",\n  "basket_id": 12345678901234567890,\n  "quantity": 0\n}',
  data_kind: "json",
  data_size: 60,
  data_cut: false,
  masked: true,
  letter_cut: "",
  settlement: null,
  outcome: null,
  targets: [
    {
      version: "shop@7",
      retired: false,
      accepts: {
        title: "Line",
        type: "object",
        properties: {
          household_id: { type: "integer", personal: true },
          basket_id: { type: "integer" },
          quantity: { type: "integer", minimum: 0 },
        },
        required: ["household_id", "basket_id", "quantity"],
      },
      key: "household_id",
      problem: null,
    },
  ],
  problem: null,
};
const plan = {
  token: "t".repeat(32),
  through: { validate: 9 },
  replayable: 2,
  refused: 1,
  settled_before: 0,
  preview: {
    stages: [],
    refused: [{ reason: { code: "x" }, count: 1, text: "store_id is missing" }],
    refused_letters: [{ letter: "validate/7", reason: "store_id is missing" }],
    targets: [{ version: "shop@7", letters: 2, retired: false }],
    runs: [{ run: "k7mq2vtd4x3aa", letters: 2 }],
    run_count: 1,
  },
};
const check = {
  fits: true,
  version: "shop@7",
  problem: null,
  after: detail.data.replace('"quantity": 0', '"quantity": 1'),
  patch: '{"quantity": 1}',
  patch_problem: null,
};
const answers = {
  [`${API}/kinds`]: {
    kinds: [kind],
    open: 3,
    settled: 4,
    since: AT,
    until: AT,
    left_out: 0,
    stages: ["validate"],
  },
  [API]: { letters, total: 3, next: null, searched_all: true },
  [`${API}/shop/validate/9`]: detail,
  [`${API}/shop/validate/9/causes`]: {
    events: [{ event_type: "line.ingested", partition: 3, offset: 9, stage: "ingest" }],
    notes: [],
  },
  [`${API}/shop/validate/9/repair`]: check,
  [`${API}/replay/preview`]: plan,
  [`${API}/replay`]: { id: "j1", state: "running", done: 0, total: 2, what: "dead replay" },
  "/api/v1/jobs/j1": {
    id: "j1",
    what: "dead replay",
    title: "Replay 2 letters of validate",
    by: "ann",
    state: "done",
    done: 2,
    total: 2,
    started: AT,
    ended: AT,
    runs: ["k7mq2vtd4x3aa"],
    result: {
      stages: [],
      sent: [
        {
          letter: "validate/9",
          event_id: "line.read/3/9/0",
          event_type: "line.ingested",
          topic: "shop.line.ingested",
          partition: 3,
          offset: 9,
          run: "k7mq2vtd4x3aa",
          version: "shop@2",
          opens_run: false,
          changed: true,
          patch: '{\n  "quantity": 1,\n  "name": "•••"\n}',
          patch_cut: false,
        },
      ],
    },
    error: null,
  },
};

test("kinds lead to letters, and the newest letter is shown with its error as text", async () => {
  renderConsole("/dead-letters", answers);
  expect(await screen.findByText("something was paid for a quantity of #")).toBeDefined();
  const letter = await screen.findByRole("article", { name: "Letter validate/9" });
  expect(within(letter).getByText(/<img src=x>/)).toBeDefined();
  expect(within(letter).getByText("\\u202e")).toBeDefined();
  expect(letter.querySelector("img")).toBeNull();
  expect(screen.getByText("basket 32186616888")).toBeDefined();
});

test("a field is mended with exact digits, and the button names the number that the server counts", async () => {
  renderConsole("/dead-letters", answers);
  const field = await screen.findByLabelText("quantity");
  expect(screen.getByLabelText<HTMLInputElement>("household_id").readOnly).toBe(true);
  fireEvent.change(field, { target: { value: "1" } });
  await screen.findByText("fits Line");
  const [, repair] =
    vi.mocked(fetch).mock.calls.findLast(([url]) => String(url).endsWith("repair")) ?? [];
  expect(JSON.parse(String(repair?.body)).edited).toContain("12345678901234567890");
  expect(await screen.findByText('{"quantity": 1}')).toBeDefined();
  await userEvent.click(screen.getByRole("button", { name: "All 3 of this kind" }));
  expect(await screen.findByRole("button", { name: "Replay 2 letters" })).toBeDefined();
  expect(screen.getByText("store_id is missing", { exact: false })).toBeDefined();
  expect(await screen.findByText("refused")).toBeDefined(); // in the list of letters
});

test("a replay sends the token and what was counted, and its result names the amended run", async () => {
  renderConsole("/dead-letters", answers);
  const deed = await screen.findByRole("button", { name: "Replay 2 letters" });
  await waitFor(() => expect(deed.getAttribute("aria-disabled")).toBe("false"));
  await userEvent.click(deed);
  expect(await screen.findByText(/once handled/)).toBeDefined();
  const [, sent] =
    vi.mocked(fetch).mock.calls.find(([url]) => String(url).endsWith("/replay")) ?? [];
  const body = JSON.parse(String(sent?.body));
  expect(body.token).toBe(plan.token);
  expect(body.selection).toMatchObject({ letters: ["validate/9"], through: { validate: 9 } });
});

test("a repair is not lost by a look at the patch: it stands there as one", async () => {
  renderConsole("/dead-letters", answers);
  fireEvent.change(await screen.findByLabelText("quantity"), { target: { value: "1" } });
  await screen.findByText("fits Line");
  await userEvent.click(screen.getByRole("button", { name: "Patch" }));
  const patch = await screen.findByRole("textbox", { name: "Merge patch" });
  expect(patch.textContent).toBe('{"quantity": 1}');
  expect(screen.queryByText("As it died, without a change")).toBeNull();
});

test("while what is written is being checked nothing is replayed", async () => {
  renderConsole("/dead-letters", answers);
  const deed = await screen.findByRole("button", { name: "Replay 2 letters" });
  await waitFor(() => expect(deed.getAttribute("aria-disabled")).toBe("false"));
  fireEvent.change(screen.getByLabelText("quantity"), { target: { value: "1" } });
  expect(deed.getAttribute("aria-disabled")).toBe("true");
  expect(deed.title).toBe("What is written is being checked");
  await screen.findByText("fits Line");
  await waitFor(() => expect(deed.getAttribute("aria-disabled")).toBe("false"));
});

test("after a replay the amended run and the next open letter are one click away", async () => {
  const settled = {
    ...detail,
    settlement: { how: "replayed", by: "ann", at: AT, reason: "" },
    outcome: { state: "done", letter: null },
  };
  const { router } = renderConsole("/dead-letters?letter=shop/validate/9&job=j1", {
    ...answers,
    [`${API}/shop/validate/9`]: settled,
  });
  const run = await screen.findByRole("link", { name: "k7mq2vtd4x3aa" });
  expect(run.getAttribute("href")).toBe("/runs/k7mq2vtd4x3aa");
  expect(screen.queryByText(/no replay yet/)).toBeNull();
  await userEvent.click(await screen.findByRole("button", { name: "Next open letter" }));
  await waitFor(() => expect(router.state.location.search).toEqual({}));
});

test("after a replay stands what was sent: the event, its trace and the change", async () => {
  renderConsole("/dead-letters?letter=shop/validate/9&job=j1", answers);
  const sent = within(await screen.findByRole("list", { name: "Sent" }));
  expect(sent.getByRole("link", { name: "line.read/3/9/0" }).getAttribute("href")).toBe(
    "/events/shop.line.ingested/3/9",
  );
  expect(
    decodeURIComponent(sent.getByRole("link", { name: "trace" }).getAttribute("href") ?? ""),
  ).toBe("/trace/line.ingested/3/9");
  expect(sent.getByText('{"quantity": 1, "name": "•••"}')).toBeDefined();
  expect(sent.getByText("and 1 more")).toBeDefined();
});

test("a stale preview does nothing and says that it is counted anew", async () => {
  const stale = Response.json({ code: "stale_token", detail: "changed" }, { status: 409 });
  renderConsole("/dead-letters", { ...answers, [`${API}/replay`]: stale });
  const deed = await screen.findByRole("button", { name: "Replay 2 letters" });
  await waitFor(() => expect(deed.getAttribute("aria-disabled")).toBe("false"));
  await userEvent.click(deed);
  expect(await screen.findByText(/nothing was done, and it is counted anew/)).toBeDefined();
});

test("a console that has started anew says that it does not know the job", async () => {
  const unknown = Response.json(
    { code: "unknown_job", detail: "this console knows no job" },
    { status: 404 },
  );
  renderConsole("/dead-letters?job=j0", { ...answers, "/api/v1/jobs/j0": unknown });
  expect(await screen.findByText(/This console knows no job/)).toBeDefined();
});

test("J goes to the older letter, and the address names it", async () => {
  const { router } = renderConsole("/dead-letters", {
    ...answers,
    [`${API}/shop/validate/8`]: { ...detail, offset: 8 },
  });
  await screen.findByLabelText("quantity");
  fireEvent.keyDown(document.body, { key: "j" });
  await screen.findByRole("article", { name: "Letter validate/8" });
  expect(router.state.location.search).toMatchObject({ letter: "shop/validate/8" });
});

test("a discard needs a reason", async () => {
  renderConsole("/dead-letters", {
    ...answers,
    [`${API}/discard/preview`]: { token: "d", through: {}, stages: { validate: 1 }, total: 1 },
  });
  await userEvent.click(await screen.findByRole("button", { name: "Discard…" }));
  const deed = await screen.findByRole("button", { name: "Discard 1 letter" });
  expect(deed.getAttribute("aria-disabled")).toBe("true");
});

test("where nothing has died the page says what would stand there", async () => {
  renderConsole("/dead-letters", {
    [`${API}/kinds`]: {
      kinds: [],
      open: 0,
      settled: 0,
      since: AT,
      until: AT,
      left_out: 0,
      stages: [],
    },
    [API]: { letters: [], total: 0, next: null, searched_all: true },
  });
  expect(await screen.findByText("No event has died")).toBeDefined();
});
