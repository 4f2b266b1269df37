/** What does the API say of rows that wait for a person, and how is it told what becomes of them? */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type AnswerOf, get, send } from "@/api/client";

export type Parked = AnswerOf<"/api/v1/parked/{pipeline}", "get">;
export type Row = Parked["rows"][number];
export type Kind = Parked["kinds"][number];
export type Ordered = AnswerOf<"/api/v1/parked/{pipeline}/{stage}/release", "post">;

/** The stream tells nothing of parked rows, and a look reads the retry topics of all stages. */
const EVERY_MS = 10_000;
export const MOST_ROWS = 500;

/** The rows of a stage that break a check; without one, all that wait. */
export function useParked(
  pipeline: string | undefined,
  kind: { stage: string; check: string } | undefined,
) {
  return useQuery({
    queryKey: ["parked", pipeline, kind?.stage, kind?.check],
    queryFn: ({ signal }) =>
      get("/api/v1/parked/{pipeline}", {
        path: { pipeline: pipeline ?? "" },
        query: { stage: kind?.stage ?? null, check: kind?.check ?? null, limit: MOST_ROWS },
        signal,
      }),
    enabled: pipeline !== undefined,
    refetchInterval: EVERY_MS,
    placeholderData: (before) => before,
    retry: false,
  });
}

/** Rows by position, or all of a check that waited at a moment. */
export type Meant = { positions: string[] } | { check: string; until: string };

export type Deed =
  | { do: "release" }
  | { do: "mend"; edited?: string; patch?: string }
  | { do: "discard"; reason: string };

/** Gives an order about rows of a stage. */
export function useOrder(pipeline: string, stage: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ meant, deed }: { meant: Meant; deed: Deed }): Promise<Ordered> => {
      const path = { pipeline, stage };
      const rows = { positions: [], ...meant };
      switch (deed.do) {
        case "release":
          return send("post", "/api/v1/parked/{pipeline}/{stage}/release", { path, body: rows });
        case "mend":
          return send("post", "/api/v1/parked/{pipeline}/{stage}/mend", {
            path,
            body: { ...rows, edited: deed.edited ?? null, patch: deed.patch ?? "" },
          });
        case "discard":
          return send("post", "/api/v1/parked/{pipeline}/{stage}/discard", {
            path,
            body: { ...rows, reason: deed.reason },
          });
      }
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["parked"] }),
  });
}
