/** What does the API say of what runs? */

import { useQuery } from "@tanstack/react-query";
import { type AnswerOf, get } from "@/api/client";

export type Services = AnswerOf<"/api/v1/services", "get">;
export type Service = Services["services"][number];
export type StageWorkers = Services["stages"][number];
export type PipelineState = Services["pipelines"][number];
export type GroupProcess = Service["processes"][number];

/** Everything that runs, as far as Kafka knows; asked for again every 5 s. */
export function useServices() {
  return useQuery({
    queryKey: ["services"],
    queryFn: ({ signal }) => get("/api/v1/services", { signal }),
    refetchInterval: 5_000,
    placeholderData: (before) => before,
  });
}
