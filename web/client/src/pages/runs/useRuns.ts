/** Which runs stand in the list now? */

import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo } from "react";
import { type AnswerOf, get } from "@/api/client";
import { useLive, useLiveChanges, useLiveRefresh, usePollInterval } from "@/live/useLive";
import type { ViewChange } from "@/live/views";
import type { Search } from "@/navigation/search";
import { useCursorPages } from "@/ui/MoreButton";
import { isAsked, runsQuery } from "./asked";
import { joinHead, toldHead } from "./joinHead";
import { firstPage, type ListPages, toldPages } from "./listPages";

export type RunsPage = AnswerOf<"/api/v1/runs", "get">;
export type RunsOverview = AnswerOf<"/api/v1/runs/overview", "get">;
type Summary = RunsPage["runs"][number];

/** A run with how long those before it took. */
export interface ListedRun extends Summary {
  before: readonly number[];
}

const LIST = ["runs", "list"] as const;
const NONE: readonly number[] = [];
const PAGE = 100;
const HEAD = 50;
/** The stream keeps more than these: no run in between is missing. */
const MANY_NEW = 300;
/** Rows come by the stream; asked for is what they lack, such as how long the runs before took. */
const LACKING = 5_000;
const COUNTED = 3_000;
/** Where no stream comes through, the newest runs are asked for all the same. */
const REFRESH = 15_000;

/** The list of the address, page by page, kept current. `atTop` lets new runs take their place;
 * otherwise `fresh` counts them. */
export function useRuns(search: Search, atTop: boolean) {
  const key = keyOf(search);
  const pages = useCursorPages<ListedRun>([...LIST, key], async (cursor, signal) => {
    const query = { ...runsQuery(search, Date.now()), limit: PAGE };
    const page = await get("/api/v1/runs", {
      query: cursor === undefined ? query : { ...query, cursor },
      signal,
    });
    return { rows: listed(page), next: page.cursor, total: page.total };
  });
  const head = useQuery({
    queryKey: ["runs", "head", key],
    queryFn: ({ signal }) =>
      get("/api/v1/runs", { query: { ...runsQuery(search, Date.now()), limit: HEAD }, signal }),
    refetchInterval: usePollInterval("runs", REFRESH),
    enabled: pages.isSuccess && !pages.isPlaceholderData,
  });
  useLiveRefresh("runs", ["runs", "head"], LACKING);
  const live = useLive<Summary>("runs");
  const name = JSON.stringify(key);
  const joined = useMemo(() => {
    const read = pages.rows ?? [];
    if (!head.data || pages.isPlaceholderData) return { rows: read, fresh: 0 };
    const query = runsQuery(JSON.parse(name) as Search, Date.now());
    const matches = (run: Summary) => isAsked(query, run);
    // What the stream has told is as new as what was read, or newer.
    const newest = toldHead<ListedRun, Summary>(
      listed(head.data),
      live?.values() ?? [],
      matches,
      read[0],
    ).map((run) => ({ before: NONE, ...run }));
    const { rows, fresh } = joinHead(read, newest, head.data.cursor === null, atTop);
    const current = rows.flatMap((row) => {
      const told = live?.get(row.run);
      if (!told) return [row];
      return matches(told) ? [{ ...row, ...told }] : [];
    });
    return { rows: current, fresh };
  }, [pages.rows, pages.isPlaceholderData, head.data, live, atTop, name]);
  const queries = useQueryClient();
  const keep = useCallback(
    ({ whole, rows }: ViewChange) => {
      if (whole) return;
      queries.setQueriesData<ListPages<ListedRun>>({ queryKey: LIST }, (list) =>
        toldPages(list, rows as Record<string, Summary>),
      );
    },
    [queries],
  );
  useLiveChanges("runs", keep);
  const { refetch } = pages;
  const manyNew = joined.fresh > MANY_NEW;
  useEffect(() => {
    if (!manyNew || !atTop) return;
    // Who is at the top reads the others again when they come into sight.
    queries.setQueryData<ListPages<ListedRun>>([...LIST, JSON.parse(name)], firstPage);
    void refetch();
  }, [manyNew, atTop, refetch, queries, name]);
  const error = pages.error ?? head.error;
  return { pages, error, total: head.data?.total, ...joined };
}

/** What there is to choose from. */
export function useRunsOverview(search: Search) {
  useLiveRefresh("run-counts", ["runs", "overview"], COUNTED);
  const { status: _status, late: _late, version: _version, ...wide } = search;
  return useQuery({
    queryKey: ["runs", "overview", keyOf(wide)],
    queryFn: ({ signal }) =>
      get("/api/v1/runs/overview", { query: runsQuery(wide, Date.now()), signal }),
    refetchInterval: usePollInterval("run-counts", REFRESH),
    placeholderData: keepPreviousData,
  });
}

function listed(page: RunsPage): ListedRun[] {
  return page.runs.map((run) => ({ ...run, before: page.before[run.run] ?? [] }));
}

function keyOf(search: Search): Search {
  const { pipeline, status, late, version, since, q } = search;
  return { pipeline, status, late, version, since, q };
}
