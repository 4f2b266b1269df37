/** What differs between two texts, and which sections need not be seen at first? */

/** The one change that makes `before` into `after`; undefined if they are the same. */
export function changeBetween(
  before: string,
  after: string,
): { from: number; to: number; insert: string } | undefined {
  if (before === after) return undefined;
  const shorter = Math.min(before.length, after.length);
  let from = 0;
  while (from < shorter && before[from] === after[from]) from++;
  let behind = 0;
  while (
    behind < shorter - from &&
    before[before.length - 1 - behind] === after[after.length - 1 - behind]
  )
    behind++;
  return { from, to: before.length - behind, insert: after.slice(from, after.length - behind) };
}

/** In a longer file, sections beside the wiring are folded at first. */
const LONG = 60;
const FOLDED = /^(schedules|flags|limits|checks|alerts):/;

/** From where to where the sections of a text are folded at first. */
export function sectionsToFold(text: string): { from: number; to: number }[] {
  const lines = text.split("\n");
  if (lines.length <= LONG) return [];
  const ranges: { from: number; to: number }[] = [];
  let index = 0;
  let open: { from: number; to: number } | undefined;
  for (const line of lines) {
    const end = index + line.length;
    if (/^\S/.test(line) && !line.startsWith("#")) {
      if (open && open.to > open.from) ranges.push(open);
      const [key] = FOLDED.exec(line) ?? [];
      open =
        key && !/[^\s#]/.test(line.slice(key.length).replace(/#.*/, ""))
          ? { from: end, to: end }
          : undefined;
    } else if (open && /^\s+\S/.test(line)) open.to = end;
    index = end + 1;
  }
  if (open && open.to > open.from) ranges.push(open);
  return ranges;
}
