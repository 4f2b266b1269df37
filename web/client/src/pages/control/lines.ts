/** In which lines do two texts differ? */

export interface Line {
  number: number;
  text: string;
  changed: boolean;
}

/** Most lines of a text that are compared. */
const MOST = 400;

/** JSON with one member a line; what is no JSON stays as it is. */
export function prettyLines(text: string, format: (text: string) => string): string[] {
  try {
    return format(text).split("\n").slice(0, MOST);
  } catch {
    return text.split("\n").slice(0, MOST);
  }
}

/** Both texts line by line; a line is changed if the longest common run of lines does not have it. */
export function compareLines(
  before: readonly string[],
  after: readonly string[],
): { before: Line[]; after: Line[] } {
  const rows = before.length;
  const columns = after.length;
  const longest = Array.from({ length: rows + 1 }, () => new Array<number>(columns + 1).fill(0));
  const at = (row: number, column: number) => longest[row]?.[column] ?? 0;
  for (let row = rows - 1; row >= 0; row -= 1)
    for (let column = columns - 1; column >= 0; column -= 1) {
      const found = longest[row];
      if (!found) continue;
      found[column] =
        before[row] === after[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1));
    }
  const kept = { before: new Set<number>(), after: new Set<number>() };
  for (let row = 0, column = 0; row < rows && column < columns; ) {
    if (before[row] === after[column]) {
      kept.before.add(row);
      kept.after.add(column);
      row += 1;
      column += 1;
    } else if (at(row + 1, column) >= at(row, column + 1)) row += 1;
    else column += 1;
  }
  const lines = (texts: readonly string[], same: Set<number>): Line[] =>
    texts.map((text, index) => ({ number: index + 1, text, changed: !same.has(index) }));
  return { before: lines(before, kept.before), after: lines(after, kept.after) };
}
