import { configure, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { renderConsole } from "@/testing/renderConsole";
import { flaggedRuns, ignoreChoices } from "./anomalyList";
import { planBandChart } from "./bandPlan";
import { deviationText, measuredText } from "./measured";
import type { Anomaly } from "./queries";

configure({ asyncUtilTimeout: 20_000 }); // a busy machine takes its time
vi.setConfig({ testTimeout: 60_000 });

const AT = "2026-11-25T14:32:08Z";

function anomaly(id: string, more: Partial<Anomaly> = {}): Anomaly {
  return {
    id,
    edge: "line.validated",
    column: "coupon_id",
    statistic: "nulls",
    kind: "null share",
    value: 0.5,
    expected: 0.1,
    low: 0.05,
    high: 0.15,
    score: 9,
    run: `run${id}`,
    window: null,
    at: AT,
    state: "open",
    over: null,
    by: "",
    reason: "",
    more: 0,
    usual: null,
    changed: [],
    broken: {},
    samples: [],
    meanwhile: [],
    others: [],
    ...more,
  };
}

test("a number about a run is written by its kind", () => {
  expect([
    measuredText("null share", 0.0039),
    measuredText("duration", 185),
    measuredText("volume", 5000),
  ]).toEqual(["0.39 %", "3 min 05 s", "5\u202f000"]);
});

test("how far a number is away has a side, and a factor unless it is a share", () => {
  expect(deviationText({ kind: "volume", value: 5000, expected: 1000, score: 41.27 })).toBe(
    "41.3 usual deviations above the expected 1\u202f000, 5 times as much",
  );
  expect(deviationText({ kind: "null share", value: 0.01, expected: 0.1, score: -4 })).toBe(
    "4 usual deviations below the expected 10.00 %",
  );
});

test("runs in which the same number was told are marked, also where it came with others", () => {
  const [a, b, c] = [
    anomaly("a"),
    anomaly("b", { column: "", others: [anomaly("x")] }),
    anomaly("c", { statistic: "distinct" }),
  ];
  expect([...flaggedRuns(a, [a, b, c])]).toEqual(["runa", "runb"]);
});

test("one number, its column or all about its event type can be ignored", () => {
  const labels = (one: Anomaly) => ignoreChoices(one).map((choice) => choice.label);
  expect(labels(anomaly("a", { edge: "line.validated>enrich" }))).toEqual([
    "nulls of line.validated>enrich coupon_id",
    "all of line.validated>enrich coupon_id",
    "all of line.validated",
  ]);
  expect(labels(anomaly("a", { edge: "", column: "", statistic: "seconds" }))).toEqual([
    "seconds of the run",
  ]);
  expect(labels(anomaly("a", { run: null, column: "", statistic: "silence" }))).toEqual([
    "all of line.validated",
  ]);
});

test("a band stands where its numbers are, and labels do not cover one another", () => {
  const points = [10, 11, 10, 50].map((value, index) => ({ at: AT, run: `r${index}`, value }));
  const plan = planBandChart({
    points,
    low: 9,
    high: 12,
    expected: 10.5,
    flagged: new Set(["r3"]),
    width: 648,
    height: 252,
  });
  expect(plan.places.map((place) => [place.flagged, place.side])).toEqual([
    [false, "within"],
    [false, "within"],
    [false, "within"],
    [true, "above"],
  ]);
  expect(plan.places.at(-1)?.x).toBe(plan.right);
  expect(plan.top).toBeLessThan(plan.bottom);
  expect(plan.ticks.map((tick) => tick.value)).toEqual([12]);
});

const FEED = {
  event: "line.validated",
  score: 1,
  rows: 100,
  points: [
    {
      run: "runa",
      window: null,
      at: AT,
      rows: 100,
      unreadable: 0,
      died: 0,
      passed: 100,
      score: 1,
      verdicts: { passed: 1 },
    },
  ],
};

function answers(state: Anomaly["state"] = "open") {
  const found = anomaly("a", { state, samples: ["line.validated/0/17"] });
  return {
    "/api/v1/pipelines": [{ pipeline: "shop", in_folder: true, stages: [], events: [], roots: [] }],
    "/api/v1/quality/scores": {
      pipeline: "shop",
      sensitivity: "normal",
      events: [FEED],
      anomalies: [found],
      ignored: [],
    },
    "/api/v1/quality/checks": { pipeline: "shop", run: null, checks: [] },
    "/api/v1/quality/profile": { pipeline: "shop", profiles: [] },
    "/api/v1/quality/shop/anomalies/a": {
      ...found,
      points: [
        { run: "before", window: null, at: AT, value: 0.1 },
        { run: "runa", window: null, at: AT, value: 0.5 },
      ],
      incident: "q2nf7xj4cs",
      incidents: [],
    },
    "/api/v1/quality/shop/anomalies/a/expect": {
      pipeline: "shop",
      anomaly: "a",
      edge: "line.validated",
      column: "coupon_id",
      statistic: "nulls",
      taken: true,
    },
    "/api/v1/quality/shop/ignored": {
      pipeline: "shop",
      edge: "line.validated",
      column: "coupon_id",
      statistic: "nulls",
      until: null,
      ignored: true,
    },
  };
}

function written(): unknown[] {
  const bodies = vi.mocked(fetch).mock.calls.flatMap(([, init]) => init?.body ?? []);
  return bodies.map((body) => JSON.parse(String(body)));
}

test("what is unusual is explained, with a chart whose unusual run has a word", async () => {
  renderConsole("/quality", answers());
  const chart = await screen.findByRole("img", { name: /nulls of .*found 50.00 %/ });
  expect(within(chart).getByText("50.00 %, unusual")).toBeTruthy();
  expect(screen.getByRole("link", { name: "line.validated/0/17" })).toBeTruthy();
  expect(screen.getByRole("link", { name: "incident q2nf7xj4cs" })).toBeTruthy();
});

test("it is taken as normal with a reason, and what became of it is said", async () => {
  renderConsole("/quality", answers());
  await userEvent.click(await screen.findByRole("button", { name: "This is normal…" }));
  const dialog = await screen.findByRole("dialog");
  const deed = within(dialog).getByRole("button", { name: "Take as normal" });
  expect(deed.getAttribute("title")).toBe("Say why");
  await userEvent.type(within(dialog).getByLabelText("Why"), "a sale");
  await userEvent.click(deed);
  await screen.findByText(/Taken as normal: it was learnt/);
  expect(written()).toEqual([{ reason: "a sale" }]);
});

test("numbers are ignored until a time, or for ever", async () => {
  renderConsole("/quality", answers());
  await userEvent.click(await screen.findByRole("button", { name: "Ignore…" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.click(within(dialog).getByRole("button", { name: "no end" }));
  await userEvent.type(within(dialog).getByLabelText("Why"), "a test");
  await userEvent.click(within(dialog).getByRole("button", { name: "Ignore" }));
  await screen.findByText(/is not told until somebody lets it be told again/);
  await waitFor(() =>
    expect(written()).toEqual([
      {
        edge: "line.validated",
        column: "coupon_id",
        statistic: "nulls",
        reason: "a test",
        until: null,
      },
    ]),
  );
});

test("what is over is folded, and says that it is over", async () => {
  renderConsole("/quality", answers("over"));
  const fold = await screen.findByRole("button", { name: "Explain" });
  expect(fold.getAttribute("aria-expanded")).toBe("false");
  expect(screen.getByText(/over since/)).toBeTruthy();
});

test("the data contract of a feed is shown when somebody asks for it, and is a file", async () => {
  const contract = new Response("apiVersion: v3.1.0\nkind: DataContract\n");
  renderConsole("/quality", { ...answers(), "/api/v1/quality/shop/contract": contract });
  const section = await screen.findByRole("region", { name: "Data contract" });
  const file = within(section).getByRole("link", { name: "Download" });
  expect(file.getAttribute("href")).toBe("/api/v1/quality/shop/contract?event=line.validated");
  await userEvent.click(within(section).getByRole("button", { name: "Show" }));
  expect((await screen.findByText(/kind: DataContract/)).textContent).toContain("v3.1.0");
});
