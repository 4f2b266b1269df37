import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, render, renderHook, screen } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, expect, test, vi } from "vitest";
import type { Freshness } from "./freshness";
import { freshnessOf, useAskingAgain } from "./LiveProvider";
import type { ToHub, ToTab } from "./liveHub";
import { LiveStore } from "./liveStore";
import { troubleOf } from "./troubleOf";
import { LiveContext, useLive, useLiveRefresh, usePollInterval } from "./useLive";
import type { AttentionItem, ModelStatus } from "./views";

const status: ModelStatus = {
  is_stale: false,
  current: 1_000,
  answered: 1_000,
  loading: null,
  runs: 1,
  left_out: 0,
  skipped: 0,
  open_letters: 0,
  open_letters_more: false,
  incidents: 0,
};
const item: AttentionItem = {
  key: "dead/p/load",
  place: 0,
  what: "dead",
  tone: "dead",
  pipeline: "p",
  stage: "load",
  run: "",
  schedule: "",
  why: "3 kinds are open",
  since: 5,
  count: 5507,
  page: "dead-letters",
  acknowledged_by: null,
};

/** A store whose hub is played by the test. */
function playedStore() {
  const sent: ToHub[] = [];
  let receive: (message: ToTab) => void = () => {};
  const store = new LiveStore((taken) => {
    receive = taken;
    return { send: (message) => void sent.push(message), close: () => {} };
  });
  const tell = (view: string, rows: Record<string, unknown>, whole = false) =>
    act(() => receive({ kind: "changes", views: { [view]: { whole, rows, removed: [] } } }));
  const queries = new QueryClient();
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={queries}>
      <LiveContext value={store}>{children}</LiveContext>
    </QueryClientProvider>
  );
  return { sent, tell, wrapper, queries };
}

function Names() {
  const rows = useLive<string>("runs") ?? new Map([["?", "nothing yet"]]);
  return <p>{[...rows.values()].join()}</p>;
}

afterEach(() => void vi.useRealTimers());

test("a component shows the rows of its view, and what changes in them", () => {
  const { sent, tell, wrapper } = playedStore();
  render(<Names />, { wrapper });
  expect(screen.getByText("nothing yet")).toBeTruthy();
  tell("runs", { a: "one", b: "two" }, true);
  tell("runs", { b: "three" });
  expect(screen.getByText("one,three")).toBeTruthy();
  expect(sent).toEqual([{ kind: "want", views: ["runs"] }]);
});

test("a component that is gone wants nothing any more", () => {
  const { sent, wrapper } = playedStore();
  renderHook(() => useLive("runs"), { wrapper }).unmount();
  expect(sent.at(-1)).toEqual({ kind: "want", views: [] });
});

test("answers are asked for again once, however often their view changes in a second", () => {
  vi.useFakeTimers();
  const { tell, wrapper, queries } = playedStore();
  const asked = vi.spyOn(queries, "invalidateQueries").mockResolvedValue();
  renderHook(() => useLiveRefresh("runs", ["runs", "late"]), { wrapper });
  tell("runs", { a: 1 }, true);
  vi.advanceTimersByTime(2_000);
  expect(asked).not.toHaveBeenCalled();
  tell("runs", { a: 2 });
  tell("runs", { a: 3 });
  vi.advanceTimersByTime(1_000);
  expect(asked).toHaveBeenCalledExactlyOnceWith({ queryKey: ["runs", "late"] });
});

test("what the stream tells changes of is asked for seldom", () => {
  const { tell, wrapper } = playedStore();
  const { result } = renderHook(() => usePollInterval("runs", 5_000), { wrapper });
  expect(result.current).toBe(5_000);
  tell("runs", { a: 1 }, true);
  expect(result.current).toBe(60_000);
});

test("all is asked for again once what was silent answers, but nothing personal is", () => {
  const { wrapper, queries } = playedStore();
  queries.setQueryData(["list"], []);
  queries.setQueryData(["letter"], {});
  queries
    .getQueryCache()
    .find({ queryKey: ["letter"] })
    ?.setOptions({
      queryKey: ["letter"],
      meta: { isRecorded: true },
    });
  const isOld = (name: string) => queries.getQueryState([name])?.isInvalidated;
  const { rerender } = renderHook(
    ({ state }: { state: Freshness["state"] }) => useAskingAgain(state),
    { wrapper, initialProps: { state: "live" } },
  );
  rerender({ state: "stale" });
  expect(isOld("list")).toBe(false);
  rerender({ state: "live" });
  expect([isOld("list"), isOld("letter")]).toEqual([true, false]);
});

test("an answer that takes long is waited for before it is asked for again", () => {
  vi.useFakeTimers();
  const { tell, wrapper, queries } = playedStore();
  const asked = vi.spyOn(queries, "invalidateQueries").mockResolvedValue();
  const fetching = vi.spyOn(queries, "isFetching").mockReturnValue(1);
  renderHook(() => useLiveRefresh("runs", ["runs"]), { wrapper });
  tell("runs", { a: 1 }, true);
  tell("runs", { a: 2 });
  vi.advanceTimersByTime(3_000);
  expect(asked).not.toHaveBeenCalled();
  fetching.mockReturnValue(0);
  vi.advanceTimersByTime(1_000);
  expect(asked).toHaveBeenCalledOnce();
});

test.each([
  ["live", { state: "open", heard: 9 } as const, false, status, { state: "live", since: 1_000 }],
  [
    "old because Kafka is silent",
    { state: "open", heard: 9 } as const,
    false,
    { ...status, is_stale: true },
    { state: "stale", since: 1_000, reason: "Kafka has not answered" },
  ],
  [
    "old because the server is silent",
    { state: "lost", heard: 9, nextTry: 12 } as const,
    true,
    status,
    { state: "stale", since: 9, nextTry: 12 },
  ],
])("data are %s", (_, link, isLost, known, expected) => {
  expect(freshnessOf(link, isLost, known, () => {})).toMatchObject(expected);
});

test("what needs somebody says its state with its count, and leads to its page", () => {
  expect(troubleOf(item)).toMatchObject({
    state: "dead",
    name: "load",
    words: "5\u202f507 dead",
    to: "/dead-letters?pipeline=p&stage=load",
  });
  expect(troubleOf({ ...item, what: "late", page: "run", run: "k7mq2", stage: "" })).toMatchObject({
    state: "late",
    name: "k7mq2",
    to: "/runs/k7mq2",
  });
});
