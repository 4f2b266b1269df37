import { configure, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { renderConsole } from "@/testing/renderConsole";
import { orderedText, parseKind } from "./words";

configure({ asyncUtilTimeout: 20_000 }); // a busy machine takes its time
vi.setConfig({ testTimeout: 60_000 });

const AT = "2026-11-25T14:32:08Z";

function row(position: string, more: object = {}) {
  return {
    stage: "price",
    position,
    key: "•••",
    since: AT,
    checks: ["dear"],
    message: "dear: cents_each is 4500, and the greatest is 1000",
    run: "k7mq2vtd4x3aa",
    version: "shop@1",
    data: '{"customer":"•••","cents_each":4500}',
    data_cut: false,
    ordered: null,
    ...more,
  };
}

function answers(rows = [row("order.checked/0/3"), row("order.checked/1/9")]) {
  const done = (what: string, taken = true) => ({
    stage: "price",
    do: what,
    rows: rows.map((one) => ({ position: one.position, taken })),
  });
  return {
    "/api/v1/pipelines": [{ pipeline: "shop", in_folder: true, stages: [], events: [], roots: [] }],
    "/api/v1/parked/shop": {
      rows,
      total: rows.length,
      kinds: rows.length ? [{ stage: "price", check: "dear", count: rows.length, since: AT }] : [],
      at: AT,
    },
    "/api/v1/parked/shop/price/release": done("release"),
    "/api/v1/parked/shop/price/discard": done("discard", false),
  };
}

function written(): unknown[] {
  const bodies = vi.mocked(fetch).mock.calls.flatMap(([, init]) => init?.body ?? []);
  return bodies.map((body) => JSON.parse(String(body)));
}

test("what an order has done is said, and what no lane has read yet", () => {
  const rows = [true, true, false].map((taken, at) => ({ position: `a/0/${at}`, taken }));
  expect(orderedText({ stage: "s", do: "mend", rows })).toBe(
    "2 rows mended; 1 order to mend given; the lanes read it as soon as they are worked",
  );
  expect(orderedText({ stage: "s", do: "discard", rows: [] })).toBe(
    "No row waits any more that was meant",
  );
});

test("an address names a stage and a check, or no kind", () => {
  expect(parseKind("price/dear")).toEqual({ stage: "price", check: "dear" });
  expect([
    parseKind("price"),
    parseKind("/dear"),
    parseKind("price/"),
    parseKind(undefined),
  ]).toEqual([undefined, undefined, undefined, undefined]);
});

test("all rows of a check are released after their number was shown", async () => {
  renderConsole("/parked", answers());
  await userEvent.click(await screen.findByRole("button", { name: "Release all 2 rows…" }));
  const dialog = await screen.findByRole("dialog", { name: "Release 2 rows?" });
  await userEvent.click(within(dialog).getByRole("button", { name: "Release 2 rows" }));
  await screen.findByText("2 rows released.");
  expect(written()).toEqual([{ positions: [], check: "dear", until: AT }]);
});

test("one row is discarded with a reason, and it is said that no lane has read it", async () => {
  renderConsole("/parked?row=order.checked/1/9", answers());
  const shown = await screen.findByRole("article", { name: "Row order.checked/1/9" });
  expect(within(shown).getByText(/the greatest is 1000/)).toBeTruthy();
  await userEvent.click(within(shown).getByRole("button", { name: "Discard…" }));
  const dialog = await screen.findByRole("dialog", { name: "Discard 1 row?" });
  await userEvent.type(within(dialog).getByLabelText("Reason"), "a test");
  await userEvent.click(within(dialog).getByRole("button", { name: "Discard 1 row" }));
  await screen.findByText(/orders to discard given/);
  expect(written()).toEqual([{ positions: ["order.checked/1/9"], reason: "a test" }]);
});

test("a row about which an order was given waits for its lane", async () => {
  const ordered = { do: "release", by: "ann", at: AT };
  renderConsole("/parked", answers([row("order.checked/0/3", { ordered })]));
  const shown = await screen.findByRole("article", { name: "Row order.checked/0/3" });
  expect(within(shown).getByRole("button", { name: "Mend…" }).getAttribute("title")).toMatch(
    /ann has given the order to release it/,
  );
});

test("nothing that waits says what would stand there", async () => {
  renderConsole("/parked", answers([]));
  await screen.findByText("No row waits for a person");
});
