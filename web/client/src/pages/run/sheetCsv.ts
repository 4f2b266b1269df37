/** How is the balance sheet written for a spreadsheet? */

import type { RunBalance } from "./model";

/** One line an edge, each part a column; a text that a spreadsheet would take for a formula begins
 * with an apostrophe. */
export function sheetAsCsv(run: RunBalance): string {
  const parts = [...new Set(run.edges.flatMap((edge) => Object.keys(edge.parts)))];
  const head = ["event", "stage", "foreign", "emitted", ...parts, "difference"];
  const rows = run.edges.map((edge) => [
    edge.event_type,
    edge.stage,
    edge.foreign ?? "",
    edge.emitted,
    ...parts.map((part) => edge.parts[part] ?? 0),
    edge.difference,
  ]);
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\n");
}

function cell(value: string | number): string {
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
