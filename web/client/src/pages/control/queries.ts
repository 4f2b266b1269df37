/** What does the API say of controls, and how is it told to set and end them? */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type AnswerOf, get, send } from "@/api/client";
import { useLiveRefresh, usePollInterval } from "@/live/useLive";

export type Controls = AnswerOf<"/api/v1/control", "get">;
export type ControlRow = Controls["rows"][number];
export type Options = AnswerOf<"/api/v1/control/{pipeline}/options", "get">;
export type Reports = AnswerOf<"/api/v1/control/{pipeline}/stages/{stage}", "get">;
export type Canary = NonNullable<Reports["canary"]>;
export type Shadow = NonNullable<Reports["shadow"]>;
export type Rates = NonNullable<Reports["throttle"]>;
export type EvidencePoint = AnswerOf<
  "/api/v1/control/{pipeline}/stages/{stage}/evidence",
  "get"
>[number];
export type Figures = AnswerOf<"/api/v1/pipelines/{pipeline}/figures", "get">;
export type Mode = "on" | "hold" | "bypass" | "shadow" | "canary";

/** Milliseconds between two looks while the stream tells of no change. */
const LOOK = 15_000;
/** While something waits: the table, the strip and the sections have one number of it. */
const LOOK_AT_WAITING = 3_000;
const LOOK_AT_REPORTS = 3_000;
const LOOK_AT_RATES = 2_000;

/** A stage of a pipeline. */
export interface Stage {
  pipeline: string;
  stage: string;
}

/** Everything that is in force, and what has ended. */
export function useControls(pipeline: string | undefined) {
  useLiveRefresh("control", ["control", "list"]);
  const seldom = usePollInterval("control", LOOK);
  return useQuery({
    queryKey: ["control", "list", pipeline],
    queryFn: ({ signal }) =>
      get("/api/v1/control", { query: { pipeline: pipeline ?? null }, signal }),
    // The stream tells of what is set and ended, not of what waits meanwhile.
    refetchInterval: ({ state }) => (state.data?.rows.some(waits) ? LOOK_AT_WAITING : seldom),
    placeholderData: (before) => before,
  });
}

function waits({ done, mode }: ControlRow): boolean {
  return Boolean(done.waiting) || mode === "hold";
}

/** What can be switched, throttled and flagged. */
export function useOptions(pipeline: string | undefined) {
  return useQuery({
    queryKey: ["control", "options", pipeline],
    queryFn: ({ signal }) =>
      get("/api/v1/control/{pipeline}/options", { path: { pipeline: pipeline ?? "" }, signal }),
    enabled: pipeline !== undefined,
    staleTime: 30_000,
  });
}

/** The names of the stages that can be chosen. */
export function stageNames(options: Options | undefined): string[] {
  return options?.stages.map((each) => each.stage) ?? [];
}

/** What the controls of a stage have done. */
export function useReports({ pipeline, stage }: Stage) {
  return useQuery({
    queryKey: ["control", "reports", pipeline, stage],
    queryFn: ({ signal }) =>
      get("/api/v1/control/{pipeline}/stages/{stage}", { path: { pipeline, stage }, signal }),
    refetchInterval: LOOK_AT_REPORTS,
  });
}

/** How the evidence of a canary has grown until the page was opened. */
export function useEvidence({ pipeline, stage }: Stage, generation: number) {
  return useQuery({
    queryKey: ["control", "evidence", pipeline, stage, generation],
    queryFn: ({ signal }) =>
      get("/api/v1/control/{pipeline}/stages/{stage}/evidence", {
        path: { pipeline, stage },
        signal,
      }),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The figures of the stages of a pipeline, for the rate under a limit. */
export function useFigures(pipeline: string) {
  return useQuery({
    queryKey: ["figures", pipeline],
    queryFn: ({ signal }) =>
      get("/api/v1/pipelines/{pipeline}/figures", { path: { pipeline }, signal }),
    refetchInterval: LOOK_AT_RATES,
    retry: false,
  });
}

function useDeed<Input>(perform: (input: Input) => Promise<unknown>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: perform,
    onSettled: () => queries.invalidateQueries({ queryKey: ["control"] }),
  });
}

interface Ending {
  until: string | null;
  comment: string;
}

export interface SwitchInput extends Ending {
  mode: Mode;
  /** null: the whole pipeline. */
  stage: string | null;
  run: string;
  share: string | null;
  allow_effects: boolean;
}

/** Switch a stage or a pipeline. */
export function useSwitch(pipeline: string) {
  return useDeed((body: SwitchInput) =>
    send("post", "/api/v1/control/{pipeline}/switch", { path: { pipeline }, body }),
  );
}

export interface ThrottleInput extends Ending {
  stage: string;
  limit: string;
  rate: string | null;
  per_key: string | null;
}

/** Set a rate. */
export function useThrottle(pipeline: string) {
  return useDeed((body: ThrottleInput) =>
    send("post", "/api/v1/control/{pipeline}/throttle", { path: { pipeline }, body }),
  );
}

export interface FlagInput extends Ending {
  flag: string;
  value: string | null;
  stage: string;
  share: string | null;
  when: string;
}

/** Set a flag, or set it back. */
export function useFlag(pipeline: string) {
  return useDeed((body: FlagInput) =>
    send("post", "/api/v1/control/{pipeline}/flag", { path: { pipeline }, body }),
  );
}

/** Let the roots of a pipeline wait. */
export function useDrain(pipeline: string) {
  return useDeed((body: Ending) =>
    send("post", "/api/v1/control/{pipeline}/drain", { path: { pipeline }, body }),
  );
}

/** Restart the processes of a stage, or of all. */
export function useRestart(pipeline: string) {
  return useDeed((stage: string | null) =>
    send("post", "/api/v1/control/{pipeline}/restart", { path: { pipeline }, body: { stage } }),
  );
}

/** End what a row says: the deed that lifts each kind. */
export function useEnd(row: ControlRow) {
  const { pipeline, target } = row;
  const path = { pipeline };
  const none = { until: null };
  return useDeed((comment: string): Promise<unknown> => {
    switch (row.kind) {
      case "switch": {
        const body = {
          mode: "on" as const,
          stage: target || null,
          run: "",
          allow_effects: false,
          comment,
          ...none,
        };
        return send("post", "/api/v1/control/{pipeline}/switch", { path, body });
      }
      case "throttle":
      case "limit": {
        const limit = row.kind === "limit" ? target : "";
        const stage = row.kind === "throttle" ? target : "";
        const body = {
          stage,
          limit,
          rate: "file",
          per_key: stage ? "file" : null,
          comment,
          ...none,
        };
        return send("post", "/api/v1/control/{pipeline}/throttle", { path, body });
      }
      case "flag": {
        const body = { flag: target, value: null, stage: "", when: "", comment, ...none };
        return send("post", "/api/v1/control/{pipeline}/flag", { path, body });
      }
      case "drain":
        return send("delete", "/api/v1/control/{pipeline}/drain", { path });
      case "ignore": {
        const body = row.numbers ?? { edge: "", column: "", statistic: "" };
        return send("delete", "/api/v1/quality/{pipeline}/ignored", { path, body });
      }
      case "mute":
        return Promise.reject(new Error("a mute is ended on the page of incidents"));
      case "release":
        return Promise.reject(new Error("a run that was let in stays so until its time is over"));
    }
  });
}
