/** What does the API say of schedules, and how is it told to steer them? */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type AnswerOf, get, send } from "@/api/client";
import { useLiveRefresh, usePollInterval } from "@/live/useLive";

export type ScheduleState = AnswerOf<"/api/v1/schedules", "get">["schedules"][number];
export type Days = AnswerOf<"/api/v1/schedules/calendar", "get">["days"][number];
export type Mark = Days["marks"][number];
export type Shown = AnswerOf<"/api/v1/schedules/{pipeline}/{schedule}", "get">;
export type Firing = NonNullable<Shown["history"]>[number];
export type Backfill = ScheduleState["backfills"][number];
export type BackfillPlan = AnswerOf<"/api/v1/schedules/{pipeline}/{schedule}/backfill-plan", "get">;

/** A schedule of a pipeline. */
export interface Named {
  pipeline: string;
  schedule: string;
}

/** Milliseconds between two looks while the stream tells of no change. */
const LOOK = 15_000;
const LOOK_AT_CALENDAR = 30_000;

/** How all schedules stand. */
export function useSchedules(pipeline: string | undefined) {
  useLiveRefresh("schedules", ["schedules"]);
  return useQuery({
    queryKey: ["schedules", "list", pipeline],
    queryFn: ({ signal }) =>
      get("/api/v1/schedules", { query: { pipeline: pipeline ?? null }, signal }),
    refetchInterval: usePollInterval("schedules", LOOK),
    placeholderData: (before) => before,
  });
}

/** What became of the planned times of some days, and what is planned. */
export function useCalendar(start: number, end: number, pipeline: string | undefined) {
  const query = { start: iso(start), end: iso(end), pipeline: pipeline ?? null };
  return useQuery({
    queryKey: ["schedules", "calendar", query],
    queryFn: ({ signal }) => get("/api/v1/schedules/calendar", { query, signal }),
    refetchInterval: usePollInterval("schedules", LOOK_AT_CALENDAR),
    placeholderData: (before) => before,
  });
}

/** One schedule and its history, page by page. */
export function useHistory({ pipeline, schedule }: Named) {
  return useInfiniteQuery({
    queryKey: ["schedules", "history", pipeline, schedule],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      get("/api/v1/schedules/{pipeline}/{schedule}", {
        path: { pipeline, schedule },
        query: { limit: 10, before: pageParam ?? null },
        signal,
      }),
    getNextPageParam: (page) => page.next_page ?? undefined,
    refetchInterval: usePollInterval("schedules", LOOK),
  });
}

/** The fields of a backfill. */
export interface BackfillForm {
  start: string;
  end: string;
  missing: boolean;
  max_parallel: number;
}

/** For which planned times a backfill would fire. */
export function useBackfillPlan(
  { pipeline, schedule }: Named,
  form: BackfillForm,
  enabled: boolean,
) {
  return useQuery({
    queryKey: ["schedules", "backfill-plan", pipeline, schedule, form],
    queryFn: ({ signal }) =>
      get("/api/v1/schedules/{pipeline}/{schedule}/backfill-plan", {
        path: { pipeline, schedule },
        query: form,
        signal,
      }),
    enabled,
    refetchInterval: LOOK_AT_CALENDAR,
    retry: false,
  });
}

/** A deed, after which everything about schedules is read anew. */
function useDeed<Input>(perform: (input: Input) => Promise<unknown>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: perform,
    onSettled: () => queries.invalidateQueries({ queryKey: ["schedules"] }),
  });
}

interface PauseInput {
  pipeline: string;
  /** undefined: every schedule of the pipeline. */
  schedule: string | undefined;
  until: string | null;
  comment: string;
}

/** Pause a schedule, or all of a pipeline. */
export function usePause() {
  return useDeed(({ pipeline, schedule, until, comment }: PauseInput) => {
    const body = { until, comment };
    return schedule === undefined
      ? send("post", "/api/v1/schedules/{pipeline}/pause", { path: { pipeline }, body })
      : send("post", "/api/v1/schedules/{pipeline}/{schedule}/pause", {
          path: { pipeline, schedule },
          body,
        });
  });
}

/** Let a schedule go on, or all of a pipeline. */
export function useResume() {
  return useDeed(({ pipeline, schedule, until, comment }: PauseInput) => {
    const body = { until, comment };
    return schedule === undefined
      ? send("post", "/api/v1/schedules/{pipeline}/resume", { path: { pipeline }, body })
      : send("post", "/api/v1/schedules/{pipeline}/{schedule}/resume", {
          path: { pipeline, schedule },
          body,
        });
  });
}

/** Fire a schedule once. */
export function useFire({ pipeline, schedule }: Named) {
  return useDeed((body: { planned: string; unplanned: boolean; comment: string }) =>
    send("post", "/api/v1/schedules/{pipeline}/{schedule}/fire", {
      path: { pipeline, schedule },
      body,
    }),
  );
}

/** Order a backfill that was counted. */
export function useBackfill({ pipeline, schedule }: Named) {
  return useDeed(({ plan, form }: { plan: BackfillPlan; form: BackfillForm }) =>
    send("post", "/api/v1/schedules/{pipeline}/{schedule}/backfills", {
      path: { pipeline, schedule },
      body: {
        start: plan.start,
        end: plan.end,
        missing: form.missing,
        max_parallel: form.max_parallel,
        token: plan.token,
        comment: "",
      },
    }),
  );
}

/** Let a backfill begin no more runs. */
export function useCancelBackfill({ pipeline, schedule }: Named) {
  return useDeed((backfill: string) =>
    send("delete", "/api/v1/schedules/{pipeline}/{schedule}/backfills/{backfill_id}", {
      path: { pipeline, schedule, backfill_id: backfill },
    }),
  );
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
