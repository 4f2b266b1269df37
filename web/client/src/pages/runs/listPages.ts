/** How do pages of a list that were read change without being read again? */

import type { InfiniteData } from "@tanstack/react-query";
import type { CursorPage } from "@/ui/MoreButton";

export type ListPages<R> = InfiniteData<CursorPage<R>, string | undefined>;

/** The pages with what was told of their rows, by run; the same object if none of them was meant. */
export function toldPages<R extends { run: string }>(
  list: ListPages<R> | undefined,
  told: Readonly<Record<string, Partial<R>>>,
): ListPages<R> | undefined {
  if (!list?.pages.some((page) => page.rows.some((row) => row.run in told))) return list;
  const pages = list.pages.map((page) =>
    page.rows.some((row) => row.run in told)
      ? { ...page, rows: page.rows.map((row) => ({ ...row, ...told[row.run] })) }
      : page,
  );
  return { ...list, pages };
}

/** The list as it was after its first page was read. */
export function firstPage<R>(list: ListPages<R> | undefined): ListPages<R> | undefined {
  return list && { pages: list.pages.slice(0, 1), pageParams: list.pageParams.slice(0, 1) };
}
