/** Which schedules are there, when do they fire next, and what became of them? */

import { Link } from "@tanstack/react-router";
import type { Search } from "@/navigation/search";
import { useNow } from "@/preferences/clock";
import { type Column, DataTable } from "@/ui/DataTable";
import { formatDuration } from "@/ui/format";
import { Moment } from "@/ui/Moment";
import { State } from "@/ui/State";
import { useNarrow } from "@/ui/useNarrow";
import { scheduleOutcome } from "./outcome";
import { PlannedTime } from "./PlannedTime";
import type { Days, ScheduleState } from "./queries";
import { WeekHead, WeekStrip } from "./WeekStrip";
import type { Range } from "./week";

const WIDE = 532;
const NARROW = 358;

interface ScheduleTableProps {
  schedules: readonly ScheduleState[];
  days: readonly Days[];
  range: Range;
  current: string | undefined;
  /** True if they are of several pipelines. */
  several: boolean;
  onOpen(schedule: ScheduleState): void;
}

/** One row a schedule, its days at the row's end. */
export function ScheduleTable(props: ScheduleTableProps) {
  const { schedules, days, range, current, several, onOpen } = props;
  const narrow = useNarrow();
  const now = useNow();
  const width = narrow ? NARROW : WIDE;
  const found = new Map(days.map((each) => [keyOf(each), each]));
  const columns: Column<ScheduleState>[] = [
    {
      key: "schedule",
      head: "Schedule",
      cell: (row) => (
        <>
          <Link
            className="medium"
            to="/schedules"
            search={(before: Search) => ({ ...before, pipeline: row.pipeline, name: row.schedule })}
          >
            {row.schedule}
          </Link>
          <small title={row.spec.description || undefined}>
            {several && `${row.pipeline}: `}
            {row.when}
          </small>
        </>
      ),
    },
    { key: "next", head: "Next firing", cell: (row) => <NextFiring row={row} /> },
    { key: "last", head: "Last outcome", cell: (row) => <LastOutcome row={row} /> },
    {
      key: "overlap",
      head: "If the last run still runs",
      label: "overlap",
      cell: (row) => (
        <>
          {row.overlap}
          {row.catch_up && <small title={row.catch_up}>catch-up: {row.catch_up}</small>}
        </>
      ),
    },
    {
      key: "week",
      head: <WeekHead range={range} width={width} />,
      className: "wk",
      cell: (row) => (
        <WeekStrip
          range={range}
          width={width}
          days={found.get(keyOf(row))}
          paused={row.paused}
          now={now}
          named={narrow}
        />
      ),
    },
  ];
  return (
    <DataTable
      label="Schedules"
      className="sched"
      tall
      keys={false}
      columns={columns}
      rows={schedules}
      rowKey={keyOf}
      current={current}
      onOpen={onOpen}
    />
  );
}

/** The key of a schedule among those of all pipelines. */
export function keyOf({ pipeline, schedule }: { pipeline: string; schedule: string }): string {
  return `${pipeline}/${schedule}`;
}

function NextFiring({ row }: { row: ScheduleState }) {
  const now = useNow();
  const due = row.overdue?.since ?? row.late;
  if (due)
    return (
      <>
        <b className="tone-late">
          <PlannedTime at={due} />
        </b>
        <small>due {formatDuration(now - Date.parse(due))} ago</small>
      </>
    );
  const [next] = row.next;
  if (row.paused && (!row.paused.until || !next))
    return (
      <>
        <span className="faint">paused</span>
        <small>{row.paused.until ? "until then nothing" : "no end set"}</small>
      </>
    );
  if (row.problem)
    return (
      <>
        <span className="tone-late">not known here</span>
        <small title={row.problem}>{row.problem}</small>
      </>
    );
  if (next)
    return (
      <>
        <PlannedTime at={next.planned} />
        <small>in {formatDuration(Math.max(0, Date.parse(next.fires) - now))}</small>
      </>
    );
  return <span className="faint">{row.spec.after?.length ? "when it comes" : "never again"}</span>;
}

function LastOutcome({ row }: { row: ScheduleState }) {
  const outcome = scheduleOutcome(row);
  if (!outcome) return <span className="faint">has not fired yet</span>;
  const at = outcome.state === "fired" ? row.last?.fired : undefined;
  const run = outcome.state === "running" || outcome.state === "failed" ? row.last?.run : undefined;
  return (
    <>
      <State of={outcome.state}>{outcome.words}</State>{" "}
      {at && (
        <span className="soft">
          <Moment at={at} />
        </span>
      )}
      <small title={outcome.why || undefined}>
        {run ? (
          <>
            its run is{" "}
            <Link className="link" to="/runs/$run" params={{ run }}>
              {row.last?.status || "not in the books yet"}
            </Link>
          </>
        ) : (
          outcome.why
        )}
      </small>
    </>
  );
}
