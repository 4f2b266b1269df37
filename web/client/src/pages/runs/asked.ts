/** Which runs does the address ask for? */

import { sinceOf } from "@/navigation/periods";
import type { Search } from "@/navigation/search";

/** What the API is asked. */
export interface RunsQuery {
  pipeline?: string;
  status?: string[];
  late?: boolean;
  version?: number;
  since?: number;
  q?: string;
}

/** What a query looks at. */
interface ListedFields {
  run: string;
  pipeline: string;
  status: string;
  late: boolean;
  version: number;
  opened: number;
  schedule?: string | null;
  root?: string | null;
}

export const statusGroups = {
  running: ["running", "cancelling"],
  completed: ["completed", "settled"],
  dead: ["completed with dead letters", "settled with dead letters"],
  failed: ["failed"],
  cancelled: ["cancelled"],
  unopened: ["unopened"],
} as const;

export type StatusGroup = keyof typeof statusGroups;

/** The group of statuses that the address names; undefined for all. */
export function statusGroupOf(search: Search): StatusGroup | undefined {
  const { status } = search;
  return status !== undefined && status in statusGroups ? (status as StatusGroup) : undefined;
}

/** The query that the filters of the address mean at `now`, in ms of the epoch. */
export function runsQuery(search: Search, now: number): RunsQuery {
  const group = statusGroupOf(search);
  const since = sinceOf(search["since"], now);
  const version = Number(search["version"]);
  return {
    ...(search["pipeline"] ? { pipeline: search["pipeline"] } : {}),
    ...(group ? { status: [...statusGroups[group]] } : {}),
    ...(search["late"] ? { late: true } : {}),
    ...(search["version"] && Number.isInteger(version) ? { version } : {}),
    ...(since === undefined ? {} : { since }),
    ...(search["q"] ? { q: search["q"] } : {}),
  };
}

/** True if the API would list the run for this query. */
export function isAsked(query: RunsQuery, run: ListedFields): boolean {
  const text = query.q?.toLowerCase();
  const words = [run.run, run.pipeline, run.status, run.schedule?.toLowerCase(), run.root];
  return (
    (query.pipeline === undefined || query.pipeline === run.pipeline) &&
    (query.status === undefined || query.status.includes(run.status)) &&
    (query.late === undefined || query.late === run.late) &&
    (query.version === undefined || query.version === run.version) &&
    (query.since === undefined || query.since <= run.opened) &&
    (!text || words.some((word) => word?.includes(text)))
  );
}

/** How many runs have a status of the group. */
export function countOf(statuses: Record<string, number>, group: StatusGroup): number {
  return statusGroups[group].reduce((sum, status) => sum + (statuses[status] ?? 0), 0);
}
