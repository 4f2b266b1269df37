/** Which answers of the API does this page show, and by which filters? */

import { useQuery } from "@tanstack/react-query";
import { get, send } from "@/api/client";
import type { components } from "@/api/schema";
import { usePollInterval } from "@/live/useLive";
import { useCursorPages } from "@/ui/MoreButton";

type Schemas = components["schemas"];
export type Kind = Schemas["IndexedKind"];
export type Letter = Schemas["IndexedLetter"];
export type Detail = Schemas["LetterDetail"];
export type Target = Schemas["ReplayTarget"];
export type Check = Schemas["RepairCheck"];
export type Plan = Schemas["ReplayPlan"];
export type Job = Schemas["Job"];
export type Selection = Schemas["Selection"];
export type LetterState = "open" | "settled" | "all";

/** What the address says about which letters are meant. */
export interface LetterFilters {
  pipeline: string | null;
  stage: string | null;
  run: string | null;
  /** Milliseconds of the epoch. */
  since: number | null;
}

/** Beside what the stream says. */
const EVERY_MS = 15_000;

export function useKinds(filters: LetterFilters) {
  return useQuery({
    queryKey: ["dead-letters", "kinds", filters],
    queryFn: ({ signal }) => get("/api/v1/dead-letters/kinds", { query: { ...filters }, signal }),
    refetchInterval: usePollInterval("letters", EVERY_MS),
    placeholderData: (before) => before,
  });
}

/** The letters of a kind, the newest first; without a kind, all that are searched for. */
export function useLetters(
  filters: LetterFilters,
  kind: Kind | undefined,
  state: LetterState,
  text: string,
) {
  const asked = {
    ...filters,
    pipeline: kind?.pipeline ?? filters.pipeline,
    stage: kind?.stage ?? filters.stage,
    fingerprint: kind?.fingerprint ?? null,
    state,
    text,
  };
  // A new letter or a settlement changes the key, and the pages are read anew.
  const revision = kind && [kind.open, kind.replayed, kind.discarded];
  return useCursorPages(["dead-letters", "letters", asked, revision], async (after, signal) => {
    const page = await get("/api/v1/dead-letters", {
      query: { ...asked, after: after ?? "" },
      signal,
    });
    return { rows: page.letters, next: page.next, total: page.total, all: page.searched_all };
  });
}

export interface LetterName {
  pipeline: string;
  stage: string;
  offset: number;
}

export function useLetter(name: LetterName | undefined, reveal: boolean) {
  return useQuery({
    queryKey: ["dead-letters", "letter", name, reveal],
    queryFn: ({ signal }) => {
      if (!name) throw new Error("no letter is selected");
      return get("/api/v1/dead-letters/{pipeline}/{stage}/{offset}", {
        path: { ...name },
        query: { reveal },
        signal,
      });
    },
    enabled: name !== undefined,
    // Each time that personal data are shown is recorded.
    staleTime: reveal ? Number.POSITIVE_INFINITY : 0,
    gcTime: reveal ? 0 : 300_000,
    meta: { isRecorded: reveal },
    refetchInterval: reveal ? false : EVERY_MS,
  });
}

export function useCauses(name: LetterName) {
  return useQuery({
    queryKey: ["dead-letters", "causes", name],
    queryFn: ({ signal }) =>
      get("/api/v1/dead-letters/{pipeline}/{stage}/{offset}/causes", { path: { ...name }, signal }),
    staleTime: 60_000,
  });
}

/** How somebody has changed a letter: by its whole text, or by a patch. */
export type Change = { edited: string } | { patch: string } | undefined;

/** Whether the stage takes the changed data; not asked while nothing is changed. */
export function useCheck(name: LetterName, change: Change, newest: boolean, revealed: boolean) {
  return useQuery({
    queryKey: ["dead-letters", "check", name, change, newest, revealed],
    queryFn: ({ signal }) =>
      send("post", "/api/v1/dead-letters/{pipeline}/{stage}/{offset}/repair", {
        path: { ...name },
        body: { ...change, by_newest: newest, revealed },
        signal,
      }),
    enabled: change !== undefined,
    placeholderData: (before) => before,
  });
}

export type ReplayBody = Schemas["ReplayBody"];

/** What a replay would do. Asked anew every few seconds, so that its token stays good. */
export function useReplayPlan(body: ReplayBody | undefined, allowed: boolean) {
  return useQuery({
    queryKey: ["dead-letters", "plan", body],
    queryFn: ({ signal }) => {
      if (!body) throw new Error("nothing to replay");
      return send("post", "/api/v1/dead-letters/replay/preview", { body, signal });
    },
    enabled: body !== undefined && allowed,
    refetchInterval: EVERY_MS,
    placeholderData: (before) => before,
    retry: false,
  });
}

/** A job, asked for until it has ended. */
export function useJob(id: string | undefined) {
  return useQuery({
    queryKey: ["jobs", id],
    queryFn: ({ signal }) => {
      if (!id) throw new Error("no job");
      return get("/api/v1/jobs/{job_id}", { path: { job_id: id }, signal });
    },
    enabled: id !== undefined,
    refetchInterval: (query) => (query.state.data?.state === "running" ? 400 : false),
    retry: false,
  });
}
