/** What does the stream tell? */

/** Rows by key; a page says what a row of its view is. */
export type Rows = ReadonlyMap<string, unknown>;

/** What has changed in a view. */
export interface ViewChange {
  /** True if `rows` are all rows, and others are to be forgotten. */
  whole: boolean;
  rows: Record<string, unknown>;
  removed: string[];
}

/** What has changed in several views, by name. */
export type Changes = Record<string, ViewChange>;

/** The row `status` of the view `status`. Times are milliseconds of the epoch. */
export interface ModelStatus {
  is_stale: boolean;
  /** The data contain everything that could be read then. */
  current: number | null;
  answered: number | null;
  /** Null once all runs are loaded; counts are offsets. */
  loading: { loaded: number; total: number; complete_since: number | null } | null;
  runs: number;
  left_out: number;
  skipped: number;
  open_letters: number;
  open_letters_more: boolean;
  incidents: number;
}

/** A row of the view `attention`. */
export interface AttentionItem {
  key: string;
  /** The most urgent has the smallest. */
  place: number;
  what: string;
  tone: "dead" | "late" | "wait" | "quiet";
  pipeline: string;
  stage: string;
  run: string;
  schedule: string;
  why: string;
  since: number | null;
  count: number | null;
  page:
    | "graph"
    | "editor"
    | "run"
    | "runs"
    | "dead-letters"
    | "incidents"
    | "schedules"
    | "control"
    | "quality"
    | "parked";
  /** The event type whose data it is about; consoles before it say nothing. */
  event?: string;
  acknowledged_by: string | null;
}

/** The stream tells of every run that changes, and a page may stay open for days: of `runs` those are
 * kept that have changed last. */
const MOST_ROWS: Readonly<Record<string, number>> = { runs: 500 };

/** The rows of `view` after a change, the last to change last; a new object if anything has changed. */
export function changedRows(view: string, rows: Rows | undefined, change: ViewChange): Rows {
  if (change.whole) return new Map(Object.entries(change.rows));
  const most = MOST_ROWS[view];
  const changed = new Map(rows);
  for (const key of change.removed) changed.delete(key);
  for (const [key, row] of Object.entries(change.rows)) {
    if (most !== undefined) changed.delete(key);
    changed.set(key, row);
  }
  for (const key of changed.keys()) {
    if (most === undefined || changed.size <= most) break;
    changed.delete(key);
  }
  return changed;
}
