/** Which lines of two texts differ, side by side? */

export interface DiffRow {
  /** The number of the line before, from 1; undefined where a line was added. */
  before?: number;
  after?: number;
  left?: string;
  right?: string;
  changed: boolean;
}

const MAX_COMPARED = 400; // lines in the middle; longer ones count as all changed

/** Rows of both texts; equal lines stand in one row. */
export function diffLines(before: string, after: string): DiffRow[] {
  const left = before.split("\n");
  const right = after.split("\n");
  let head = 0;
  while (head < left.length && head < right.length && left[head] === right[head]) head += 1;
  let tail = 0;
  while (
    tail < left.length - head &&
    tail < right.length - head &&
    left[left.length - 1 - tail] === right[right.length - 1 - tail]
  )
    tail += 1;
  const rows: DiffRow[] = [];
  for (let index = 0; index < head; index += 1) rows.push(equalRow(left, right, index, index));
  rows.push(...diffMiddle(left, right, head, left.length - tail, right.length - tail));
  for (let back = tail; back > 0; back -= 1)
    rows.push(equalRow(left, right, left.length - back, right.length - back));
  return rows;
}

/** The rows near a change; `left out` counts stand in their place. */
export function foldRows(rows: readonly DiffRow[], around: number): (DiffRow | number)[] {
  if (rows.length <= 6 * around) return [...rows];
  const near = new Set<number>();
  rows.forEach((row, index) => {
    if (!row.changed) return;
    for (let each = index - around; each <= index + around; each += 1) near.add(each);
  });
  if (near.size === 0) for (let each = 0; each < 4 * around; each += 1) near.add(each);
  const folded: (DiffRow | number)[] = [];
  let left = 0;
  rows.forEach((row, index) => {
    if (!near.has(index)) {
      left += 1;
      return;
    }
    if (left > 0) folded.push(left);
    left = 0;
    folded.push(row);
  });
  if (left > 0) folded.push(left);
  return folded;
}

/** How many lines were changed, added or removed. */
export function countChanges(rows: readonly DiffRow[]): number {
  return rows.filter((row) => row.changed).length;
}

function equalRow(left: string[], right: string[], before: number, after: number): DiffRow {
  return {
    before: before + 1,
    after: after + 1,
    left: left[before] ?? "",
    right: right[after] ?? "",
    changed: false,
  };
}

function diffMiddle(
  left: string[],
  right: string[],
  from: number,
  leftEnd: number,
  rightEnd: number,
): DiffRow[] {
  const height = leftEnd - from;
  const width = rightEnd - from;
  const pairs =
    height > MAX_COMPARED || width > MAX_COMPARED
      ? []
      : commonPairs(left.slice(from, leftEnd), right.slice(from, rightEnd));
  const rows: DiffRow[] = [];
  let before = 0;
  let after = 0;
  for (const [toBefore, toAfter] of [...pairs, [height, width] as const]) {
    const most = Math.max(toBefore - before, toAfter - after);
    for (let each = 0; each < most; each += 1) {
      const row: DiffRow = { changed: true };
      if (before + each < toBefore) {
        row.before = from + before + each + 1;
        row.left = left[from + before + each] ?? "";
      }
      if (after + each < toAfter) {
        row.after = from + after + each + 1;
        row.right = right[from + after + each] ?? "";
      }
      rows.push(row);
    }
    if (toBefore < height && toAfter < width)
      rows.push(equalRow(left, right, from + toBefore, from + toAfter));
    before = toBefore + 1;
    after = toAfter + 1;
  }
  return rows;
}

/** Indexes of the lines of a longest common subsequence. */
function commonPairs(left: string[], right: string[]): (readonly [number, number])[] {
  const width = right.length + 1;
  const lengths = new Uint16Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i -= 1)
    for (let j = right.length - 1; j >= 0; j -= 1)
      lengths[i * width + j] =
        left[i] === right[j]
          ? 1 + (lengths[(i + 1) * width + j + 1] ?? 0)
          : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0);
  const pairs: (readonly [number, number])[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length && j < right.length) {
    if (left[i] === right[j]) {
      pairs.push([i, j]);
      i += 1;
      j += 1;
    } else if ((lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0)) i += 1;
    else j += 1;
  }
  return pairs;
}
