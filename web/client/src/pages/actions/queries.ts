/** What does the API say of what people have done? */

import { useQuery } from "@tanstack/react-query";
import { type AnswerOf, get } from "@/api/client";
import { sinceOf } from "@/navigation/periods";
import type { Search } from "@/navigation/search";
import { useCursorPages } from "@/ui/MoreButton";

export type Actions = AnswerOf<"/api/v1/actions", "get">;
export type Action = Actions["actions"][number];
type Outcome = Action["result"];
type Via = Action["via"];

const outcomes: readonly string[] = ["ok", "refused", "failed"] satisfies Outcome[];
const ways: readonly string[] = ["cli", "web", "program"] satisfies Via[];

/** What the filters of the address ask for at `now`, in ms of the epoch. */
export function actionsQuery(search: Search, now: number) {
  const since = sinceOf(search["since"], now);
  const { result, via } = search;
  return {
    who: search["who"] ?? "",
    what: search["what"] ?? "",
    target: search["of"] ?? "",
    pipeline: search["pipeline"] ?? "",
    ...(result && outcomes.includes(result) ? { result: result as Outcome } : {}),
    ...(via && ways.includes(via) ? { via: via as Via } : {}),
    ...(since === undefined ? {} : { since }),
  };
}

/** What was done, the newest first, page by page. */
export function useActions(search: Search) {
  const key = ["who", "what", "of", "pipeline", "result", "via", "since"].map(
    (name) => search[name] ?? "",
  );
  return useCursorPages<Action>(["actions", ...key], async (cursor, signal) => {
    const query = {
      ...actionsQuery(search, Date.now()),
      ...(cursor === undefined ? {} : { before: Number(cursor) }),
    };
    const { actions, next } = await get("/api/v1/actions", { query, signal });
    return { rows: actions, next: next === null ? undefined : String(next) };
  });
}

/** Everything that can be done, as it is recorded. */
export function useActionNames() {
  return useQuery({
    queryKey: ["actions", "names"],
    queryFn: ({ signal }) => get("/api/v1/actions/names", { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
}
