/** What stands behind the `?` of the address? Filters and what is selected; always text. */

import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

export type Search = Record<string, string | undefined>;

/** `?a=1&b=x` as a record; the last of two values counts. */
export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text));
}

/** The record as `?a=1&b=x`, without what is empty. */
export function formatSearch(search: Record<string, unknown>): string {
  const written = new URLSearchParams();
  for (const [name, value] of Object.entries(search))
    if (value !== undefined && value !== null && value !== "") written.set(name, String(value));
  return written.size ? `?${written}` : "";
}

/** The filters of the address, and how to change some of them; undefined or "" removes one. */
export function useFilters(): [Search, (change: Search, how?: { replace?: boolean }) => void] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const change = useCallback(
    (patch: Search, how: { replace?: boolean } = {}) => {
      void navigate({
        to: ".",
        search: (before: Search) => ({ ...before, ...patch }),
        replace: how.replace ?? false,
      });
    },
    [navigate],
  );
  return [search, change];
}
