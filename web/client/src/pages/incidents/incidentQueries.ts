/** Which answers of the API does this page show? */

import { useQuery } from "@tanstack/react-query";
import { get } from "@/api/client";
import type { components } from "@/api/schema";
import { usePollInterval } from "@/live/useLive";

type Schemas = components["schemas"];
export type Summary = Schemas["IncidentSummary"];
export type Incident = Schemas["IncidentDetail"];
export type IncidentList = Schemas["IncidentList"];
export type Moment = Schemas["ListedMoment"];
export type Sample = Schemas["ShownSample"];

/** Beside what the stream says. */
const EVERY_MS = 15_000;

/** All incidents, of one pipeline if one is named; those that were resolved since then. */
export function useIncidents(pipeline: string | undefined, since: number | undefined) {
  return useQuery({
    queryKey: ["incidents", "list", pipeline, since],
    queryFn: ({ signal }) =>
      get("/api/v1/incidents", {
        query: { pipeline: pipeline ?? null, since: since ?? null },
        signal,
      }),
    refetchInterval: usePollInterval("incidents", EVERY_MS),
    placeholderData: (before) => before,
  });
}

export function useIncident(id: string | undefined) {
  return useQuery({
    queryKey: ["incidents", "one", id],
    queryFn: ({ signal }) => {
      if (!id) throw new Error("no incident is selected");
      return get("/api/v1/incidents/{incident}", { path: { incident: id }, signal });
    },
    enabled: id !== undefined,
    refetchInterval: usePollInterval("incidents", EVERY_MS),
  });
}
