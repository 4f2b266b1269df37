/** How does a list go on? */

import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";

/** One answer of a list: its rows and where the next ones begin. */
export interface CursorPage<Row> {
  rows: Row[];
  /** undefined or null: this was the last. */
  next?: string | null | undefined;
}

/** A list that is read page by page. `read` gets the cursor, undefined for the first page. */
export function useCursorPages<Row>(
  key: readonly unknown[],
  read: (cursor: string | undefined, signal: AbortSignal) => Promise<CursorPage<Row>>,
) {
  const query = useInfiniteQuery({
    queryKey: key,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => read(pageParam, signal),
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: (before) => before,
  });
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.rows), [query.data]);
  return { ...query, rows };
}

/** Reads the next page of a list. */
export function MoreButton({
  query,
  what,
}: {
  query: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage(): unknown };
  /** `letters`, `actions` */
  what: string;
}) {
  if (!query.hasNextPage) return null;
  return (
    <p className="more-row">
      <button
        type="button"
        className="btn"
        disabled={query.isFetchingNextPage}
        onClick={() => query.fetchNextPage()}
      >
        {query.isFetchingNextPage ? "Reading…" : `More ${what}`}
      </button>
    </p>
  );
}
