import { QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, expect, test, vi } from "vitest";
import { createQueryClient } from "@/api/queries";
import type { ToTab } from "@/live/liveHub";
import { LiveStore } from "@/live/liveStore";
import { LiveContext } from "@/live/useLive";
import { useRuns } from "./useRuns";

afterEach(() => void vi.restoreAllMocks());

const run = (id: string, opened: number, status = "running") => ({
  run: id,
  pipeline: "p",
  version: 1,
  status,
  opened,
  closed: null,
  late: false,
  schedule: null,
  root: null,
});

/** The list for these filters with two runs, of which the newest is read again and again; `tell` is
 * what the stream says. */
async function listOf(search: Record<string, string>, atTop = true) {
  const fetched = vi.spyOn(globalThis, "fetch").mockImplementation((input) => {
    const isHead = String(input).includes("limit=50");
    return Promise.resolve(
      Response.json({
        runs: isHead ? [run("b", 2)] : [run("b", 2), run("a", 1)],
        cursor: isHead ? "more" : null,
        total: 2,
        before: { b: [7] },
        revision: "r",
      }),
    );
  });
  let receive: (message: ToTab) => void = () => {};
  const store = new LiveStore((taken) => {
    receive = taken;
    return { send: () => {}, close: () => {} };
  });
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={createQueryClient()}>
      <LiveContext value={store}>{children}</LiveContext>
    </QueryClientProvider>
  );
  const { result } = renderHook(() => useRuns(search, atTop), { wrapper });
  await waitFor(() => expect(result.current.total).toBe(2));
  const tell = (...rows: ReturnType<typeof run>[]) =>
    act(() =>
      receive({
        kind: "changes",
        views: {
          runs: {
            whole: false,
            rows: Object.fromEntries(rows.map((r) => [r.run, r])),
            removed: [],
          },
        },
      }),
    );
  return { result, tell, asked: () => fetched.mock.calls.length };
}

const shown = (rows: readonly { run: string; status: string }[]) =>
  rows.map((row) => `${row.run} ${row.status}`);

test("a run that the stream tells stands at the top before anything is asked", async () => {
  const { result, tell, asked } = await listOf({});
  const before = asked();
  tell(run("c", 3), run("b", 2, "completed"));
  expect(shown(result.current.rows)).toEqual(["c running", "b completed", "a running"]);
  expect(result.current.rows[1]?.before).toEqual([7]);
  expect(asked()).toBe(before);
});

test("a run that no longer matches leaves the list, and one that does not never comes", async () => {
  const { result, tell } = await listOf({ status: "running" });
  tell(run("a", 1, "failed"), run("c", 3, "failed"));
  expect(shown(result.current.rows)).toEqual(["b running"]);
});

test("what was told of a listed run stays known, however much is told later", async () => {
  const { result, tell } = await listOf({}, false);
  tell(run("a", 1, "failed"));
  tell(...Array.from({ length: 600 }, (_, at) => run(`z${at}`, 1_000 + at)));
  expect(shown(result.current.rows)).toEqual(["b running", "a failed"]);
});
