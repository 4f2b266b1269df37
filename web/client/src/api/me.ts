/** Who looks, and what may they do now? */

import { useQuery } from "@tanstack/react-query";
import { useFreshness } from "@/live/freshness";
import { type AnswerOf, get } from "./client";
import { asProblem } from "./problem";

export type Role = "viewer" | "operator" | "editor";
export type Session = AnswerOf<"/api/v1/session", "get">;

const ranks: Record<Role, number> = { viewer: 1, operator: 2, editor: 3 };

/** Who is signed in, and what this installation is. */
export function useSession() {
  return useQuery({
    queryKey: ["session"],
    queryFn: ({ signal }) => get("/api/v1/session", { signal }),
    staleTime: 60_000,
    refetchOnWindowFocus: true,
  });
}

/** True if the server says that nobody is signed in. */
export function useSignedOut(): boolean {
  const { error } = useSession();
  return error !== null && asProblem(error).status === 401;
}

/** True if somebody may see personal data unmasked; the server decides it again at each look. */
export function useMayReveal(): boolean {
  return useSession().data?.may_reveal === true;
}

/** Why a deed cannot be done now, in words for a tooltip; undefined if it can. */
export function useRefusal(needs: Role): string | undefined {
  const { state } = useFreshness();
  const { data } = useSession();
  if (data && ranks[data.role] < ranks[needs])
    return `This needs the role ${needs}; you are ${data.name}, ${data.role}`;
  return state === "live" ? undefined : "What you see is old: wait until it is live again";
}
