import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LiveHub, type Source, type ToTab } from "./liveHub";
import type { Changes } from "./views";

class FakeSource implements Source {
  onmessage: ((views: Changes) => void) | undefined;
  onopen: (() => void) | undefined;
  onlost: ((final: boolean) => void) | undefined;
  isClosed = false;

  constructor(readonly views: readonly string[]) {}

  close(): void {
    this.isClosed = true;
  }

  tell(view: string, rows: Record<string, unknown>, whole = false, removed: string[] = []): void {
    this.onmessage?.({ [view]: { whole, rows, removed } });
  }
}

let sources: FakeSource[];
let hub: LiveHub;

function latest(): FakeSource {
  const source = sources.at(-1);
  if (!source) throw new Error("no stream was opened");
  return source;
}

/** A tab, and what it was told. */
function tab() {
  const told: ToTab[] = [];
  const send = (message: ToTab) => told.push(message);
  return {
    want: (...views: string[]) => hub.take(send, { kind: "want", views }),
    leave: () => hub.take(send, { kind: "leave" }),
    ask: () => hub.take(send, { kind: "ask" }),
    changes: () => told.filter((message) => message.kind === "changes").map(({ views }) => views),
    link: () => told.filter((message) => message.kind === "link").at(-1)?.link,
  };
}

beforeEach(() => {
  vi.useFakeTimers();
  sources = [];
  hub = new LiveHub((views) => {
    const source = new FakeSource(views);
    sources.push(source);
    return source;
  });
});
afterEach(() => {
  hub.close();
  vi.useRealTimers();
});

test("views that several tabs want at once are one stream", () => {
  tab().want("runs", "status");
  tab().want("incidents", "status");
  vi.advanceTimersByTime(100);
  expect(sources.map(({ views }) => views)).toEqual([["incidents", "runs", "status"]]);
});

test("each tab is told only of what it wants", () => {
  const [one, other] = [tab(), tab()];
  one.want("runs");
  other.want("status");
  vi.advanceTimersByTime(100);
  latest().tell("runs", { a: 1 }, true);
  expect(one.changes()).toEqual([{ runs: { whole: true, rows: { a: 1 }, removed: [] } }]);
  expect(other.changes()).toEqual([]);
});

test("a tab that comes later is told at once what is known", () => {
  tab().want("runs");
  vi.advanceTimersByTime(100);
  latest().tell("runs", { a: 1, b: 1 }, true);
  latest().tell("runs", { a: 2 }, false, ["b"]);
  const late = tab();
  late.want("runs");
  expect(late.changes()).toEqual([{ runs: { whole: true, rows: { a: 2 }, removed: [] } }]);
  vi.advanceTimersByTime(100);
  expect(sources).toHaveLength(1);
});

test("a view that nobody wants any more leaves the stream after a while", () => {
  const one = tab();
  one.want("runs", "status");
  vi.advanceTimersByTime(100);
  latest().onopen?.();
  one.want("status");
  for (let second = 0; second < 60; second += 5) {
    latest().tell("status", {});
    vi.advanceTimersByTime(5_000);
  }
  expect(sources.map(({ views }) => views)).toEqual([["runs", "status"], ["status"]]);
  expect(sources[0]?.isClosed).toBe(true);
});

test("a stream has no more views than the server allows, those of the last tabs first", () => {
  for (let run = 0; run < 100; run += 1) tab().want("status", `run/${run}`);
  vi.advanceTimersByTime(100);
  expect(latest().views).toHaveLength(64);
  expect(latest().views).toEqual(expect.arrayContaining(["status", "run/99"]));
  expect(latest().views).not.toContain("run/0");
});

test("a tab that comes while the stream is opened anew waits no longer than others", () => {
  const one = tab();
  one.want("runs");
  vi.advanceTimersByTime(100);
  const other = tab();
  other.want("status");
  one.ask();
  other.want("status", "control");
  vi.advanceTimersByTime(100);
  expect(latest().views).toContain("control");
});

test("the stream ends with the last tab", () => {
  const one = tab();
  one.want("runs");
  vi.advanceTimersByTime(100);
  one.leave();
  vi.advanceTimersByTime(100);
  expect(latest().isClosed).toBe(true);
});

test("a stream that is refused is opened again, later each time", () => {
  const one = tab();
  one.want("runs");
  vi.advanceTimersByTime(100);
  latest().onlost?.(true);
  expect(one.link()).toMatchObject({ state: "lost", nextTry: Date.now() + 1_000 });
  vi.advanceTimersByTime(1_000);
  expect(sources).toHaveLength(2);
  latest().onlost?.(true);
  expect(one.link()).toMatchObject({ nextTry: Date.now() + 2_000 });
  latest().onopen?.();
  one.ask();
  expect(sources).toHaveLength(3);
});

test("a stream that the browser reopens by itself is only told as lost", () => {
  const one = tab();
  one.want("runs");
  vi.advanceTimersByTime(100);
  latest().onopen?.();
  latest().onlost?.(false);
  expect(one.link()?.state).toBe("lost");
  latest().onopen?.();
  expect(one.link()?.state).toBe("open");
  expect(sources).toHaveLength(1);
});

test("a stream that is silent is opened anew", () => {
  tab().want("status");
  vi.advanceTimersByTime(100);
  latest().onopen?.();
  vi.advanceTimersByTime(30_000);
  expect(sources.length).toBeGreaterThan(1);
});
