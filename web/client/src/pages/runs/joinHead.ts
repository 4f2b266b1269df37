/** How do the newest rows, read anew, change a list that was read before? */

interface Row {
  run: string;
  opened: number;
}

/** The newest rows as they were read, with what the stream has told since: what has changed, what has
 * come above `head` or above the `first` row of the list, and without what has stopped to match. */
export function toldHead<R extends Row, T extends Row>(
  head: readonly R[],
  told: Iterable<T>,
  matches: (row: T) => boolean,
  first: Row | undefined,
): (R | T)[] {
  const rows = new Map<string, R | T>(head.map((row) => [row.run, row]));
  const oldest = head.at(-1);
  for (const row of told) {
    const known = rows.get(row.run);
    if (!matches(row)) rows.delete(row.run);
    else if (known) rows.set(row.run, { ...known, ...row });
    else if (isAbove(row, oldest) || isAbove(row, first)) rows.set(row.run, row);
  }
  return [...rows.values()].sort((one, other) => (isNewer(one, other) ? -1 : 1));
}

function isAbove(row: Row, other: Row | undefined): boolean {
  return other === undefined || isNewer(row, other);
}

/** `head` are the newest rows that match, all of them if `whole`. Rows of the list that are as new
 * as the head's and no longer in it have stopped to match, and go. New ones come to the top with
 * `takeNew`, else they are only counted in `fresh`. */
export function joinHead<R extends Row>(
  listed: readonly R[],
  head: readonly R[],
  whole: boolean,
  takeNew: boolean,
): { rows: R[]; fresh: number } {
  const newest = new Map(head.map((row) => [row.run, row]));
  const oldest = head.at(-1);
  const known = new Set(listed.map((row) => row.run));
  const kept = listed.flatMap((row) => {
    const now = newest.get(row.run);
    if (now) return [now];
    return whole || (oldest && isNewer(row, oldest)) ? [] : [row];
  });
  const fresh = head.filter((row) => !known.has(row.run));
  const first = kept[0];
  const above = first ? fresh.filter((row) => isNewer(row, first)) : fresh;
  return { rows: takeNew ? [...above, ...kept] : kept, fresh: above.length };
}

function isNewer(one: Row, other: Row): boolean {
  return one.opened === other.opened ? one.run > other.run : one.opened > other.opened;
}
