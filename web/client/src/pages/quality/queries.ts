/** What does the API say of the data? */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type AnswerOf, addressOf, get, getText, send } from "@/api/client";
import { usePollInterval } from "@/live/useLive";

export type Scores = AnswerOf<"/api/v1/quality/scores", "get">;
export type Feed = Scores["events"][number];
export type Anomaly = Scores["anomalies"][number];
export type AnomalyDetail = AnswerOf<"/api/v1/quality/{pipeline}/anomalies/{anomaly}", "get">;
export type Ignored = Scores["ignored"][number];
export type Point = Feed["points"][number];
export type Check = AnswerOf<"/api/v1/quality/checks", "get">["checks"][number];
export type EventProfile = AnswerOf<"/api/v1/quality/profile", "get">["profiles"][number];
export type Column = NonNullable<EventProfile["profile"]>["columns"][number];

const EVERY_MS = 15_000;
/** An answer reads what is kept of many runs: it is not made anew each second, though a run may end
 * each second. */
export const REFRESH_MS = 10_000;

/** The scores of the event types of a pipeline that are profiled. */
export function useScores(pipeline: string | undefined) {
  return useQuery({
    queryKey: ["quality", "scores", pipeline],
    queryFn: ({ signal }) =>
      get("/api/v1/quality/scores", { query: { pipeline: pipeline ?? "" }, signal }),
    enabled: pipeline !== undefined,
    refetchInterval: usePollInterval("runs", EVERY_MS),
    placeholderData: (before) => before,
  });
}

/** What the checks of one event type have found last. */
export function useChecks(pipeline: string, event: string) {
  return useQuery({
    queryKey: ["quality", "checks", pipeline, event],
    queryFn: ({ signal }) => get("/api/v1/quality/checks", { query: { pipeline, event }, signal }),
    refetchInterval: usePollInterval("runs", EVERY_MS),
    retry: false,
  });
}

/** The newest profile of one event type. */
export function useProfile(pipeline: string, event: string) {
  return useQuery({
    queryKey: ["quality", "profile", pipeline, event],
    queryFn: ({ signal }) =>
      get("/api/v1/quality/profile", { query: { pipeline, target: event }, signal }),
    refetchInterval: usePollInterval("runs", EVERY_MS),
    retry: false,
  });
}

/** Where the data contract of an event type is, as a file. */
export function contractAddress(pipeline: string, event: string): string {
  return addressOf("/api/v1/quality/{pipeline}/contract", { path: { pipeline }, query: { event } });
}

/** The text of the data contract of an event type, once it is wanted. */
export function useContract(pipeline: string, event: string, wanted: boolean) {
  return useQuery({
    queryKey: ["quality", "contract", pipeline, event],
    queryFn: ({ signal }) =>
      getText("/api/v1/quality/{pipeline}/contract", {
        path: { pipeline },
        query: { event },
        signal,
      }),
    enabled: wanted,
    retry: false,
  });
}

/** All that is known of something unusual. */
export function useAnomaly(pipeline: string, id: string) {
  return useQuery({
    queryKey: ["quality", "anomaly", pipeline, id],
    queryFn: ({ signal }) =>
      get("/api/v1/quality/{pipeline}/anomalies/{anomaly}", {
        path: { pipeline, anomaly: id },
        signal,
      }),
    refetchInterval: usePollInterval("runs", EVERY_MS),
    placeholderData: (before) => before,
    retry: false,
  });
}

type Numbers = Pick<Ignored, "edge" | "column" | "statistic">;

function useDeed<Input, Output>(perform: (input: Input) => Promise<Output>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: perform,
    onSettled: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: ["quality"] }),
        queries.invalidateQueries({ queryKey: ["control"] }),
      ]),
  });
}

/** Takes an anomaly as normal. */
export function useExpect(pipeline: string, id: string) {
  return useDeed((reason: string) =>
    send("post", "/api/v1/quality/{pipeline}/anomalies/{anomaly}/expect", {
      path: { pipeline, anomaly: id },
      body: { reason },
    }),
  );
}

/** Lets numbers not be told; `until` null: until somebody lets them be told again. */
export function useIgnore(pipeline: string) {
  return useDeed(
    ({ numbers, ...rest }: { numbers: Numbers; reason: string; until: string | null }) =>
      send("post", "/api/v1/quality/{pipeline}/ignored", {
        path: { pipeline },
        body: { ...numbers, ...rest },
      }),
  );
}

/** Lets numbers be told again. */
export function useTellAgain(pipeline: string) {
  return useDeed(({ edge, column, statistic }: Numbers) =>
    send("delete", "/api/v1/quality/{pipeline}/ignored", {
      path: { pipeline },
      body: { edge, column, statistic },
    }),
  );
}
