/** How are answers kept and asked for again? */

import { QueryClient } from "@tanstack/react-query";
import { asProblem } from "./problem";

/** A store of answers. Live data come by the stream; this only fills in what the stream has not. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        refetchOnWindowFocus: false,
        // A proxy may find the server again at once. What Kafka has not answered (503) the server
        // has asked it several times.
        retry: (failures, error) => failures < 2 && [502, 504].includes(asProblem(error).status),
      },
    },
  });
}
