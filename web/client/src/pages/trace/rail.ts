/** Which lines lead from row to row of a trace? */

import type { components } from "@/api/schema";

export type RailRow = components["schemas"]["RailRow"];
export type RailResult = components["schemas"]["RailResult"];

export const FIRST_X = 36; // px of the rail
export const STEP_X = 22; // px of a branch

/** A vertical line in a row: from its top or its middle, to its middle or its bottom. */
export interface Line {
  level: number;
  from: "top" | "middle";
  to: "middle" | "bottom";
  dotted: boolean;
}

/** What is drawn at the left of a row. */
export interface RailCell {
  lines: Line[];
  /** True if a curve leads from the level before to the mark. */
  turns: boolean;
}

/** Each row is joined to the one that it comes from: straight, or by a line that turns off. */
export function railCells(rows: readonly RailRow[]): RailCell[] {
  const cells: RailCell[] = rows.map(() => ({ lines: [], turns: false }));
  rows.forEach((row, index) => {
    const from = sourceOf(rows, index);
    if (from === undefined) return;
    const level = row.turns_off ? row.level - 1 : row.level;
    const dotted = row.kind === "replay" || row.kind === "discard";
    const own = cells[index];
    if (own) own.turns = row.turns_off;
    for (let at = from; at <= index; at += 1) {
      const line: Line = {
        level,
        from: at === from ? "middle" : "top",
        to: at === index ? "middle" : "bottom",
        dotted,
      };
      // The curve itself is the end of a line that turns off.
      if (!(at === index && row.turns_off)) addLine(cells[at], line);
    }
  });
  return cells;
}

function addLine(cell: RailCell | undefined, line: Line): void {
  const known = cell?.lines.some(
    (other) =>
      other.level === line.level &&
      (other.from === line.from || other.from === "top") &&
      (other.to === line.to || other.to === "bottom"),
  );
  if (!known) cell?.lines.push(line);
}

/** The row before that a row comes from: of its level, or of the one that it turns off from. */
function sourceOf(rows: readonly RailRow[], index: number): number | undefined {
  const row = rows[index];
  if (!row) return undefined;
  const level = row.turns_off ? row.level - 1 : row.level;
  for (let at = index - 1; at >= 0; at -= 1) {
    const other = rows[at];
    if (!other) continue;
    if (other.level === level && !(row.turns_off && isSibling(other, row))) return at;
    if (other.level < level) return undefined;
  }
  return undefined;
}

/** True if a row stands beside another, and is not what it comes from. */
function isSibling(one: RailRow, other: RailRow): boolean {
  return one.kind === other.kind && one.position === other.position && one.kind !== "event";
}

/** The largest level: how wide the rail is. */
export function deepest(rows: readonly RailRow[]): number {
  return Math.max(0, ...rows.map((row) => row.level));
}
