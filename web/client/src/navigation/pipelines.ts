/** Which pipelines are there, and which one is meant? */

import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { get } from "@/api/client";
import { useFilters } from "./search";

/** All published pipelines, by name. */
export function usePipelines() {
  return useQuery({
    queryKey: ["pipelines"],
    queryFn: ({ signal }) => get("/api/v1/pipelines", { signal }),
    staleTime: 60_000,
  });
}

/** The pipeline of the address, else that of the folder, else the first; undefined if there is none. */
export function useChosenPipeline(): string | undefined {
  const { pipeline: ofPath } = useParams({ strict: false });
  const [{ pipeline: ofFilter }] = useFilters();
  const { data } = usePipelines();
  const own = data?.find((one) => one.in_folder) ?? data?.[0];
  return ofPath ?? ofFilter ?? own?.pipeline;
}
