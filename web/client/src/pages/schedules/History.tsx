/** What became of the planned times of one schedule, and why? */

import { useNavigate } from "@tanstack/react-router";
import { useNow } from "@/preferences/clock";
import { usePreferences } from "@/preferences/preferences";
import { type Column, DataTable } from "@/ui/DataTable";
import { counted, epochMs, formatBoth, formatDuration } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { Moment, ZoneWord } from "@/ui/Moment";
import { MoreButton } from "@/ui/MoreButton";
import { RunId } from "@/ui/RunId";
import { State } from "@/ui/State";
import { firingOutcome, firingReason, isAgain } from "./outcome";
import { plannedClock, plannedDay } from "./PlannedTime";
import type { Firing, ScheduleState, useHistory } from "./queries";

interface Row {
  key: string;
  planned: string;
  /** undefined: it is to come. */
  firing?: Firing;
}

/** Each planned time is one row; a second firing by hand is a second row under it. */
export function History({
  schedule,
  history,
}: {
  schedule: ScheduleState;
  history: ReturnType<typeof useHistory>;
}) {
  const now = useNow();
  const navigate = useNavigate();
  const isTimed = schedule.next.length > 0 || Boolean(schedule.catch_up);
  const firings = history.data?.pages.flatMap((page) => page.history ?? []) ?? [];
  const rows = historyRows(schedule, firings, isTimed);
  const columns: Column<Row>[] = [
    {
      key: "day",
      head: (
        <>
          Planned, <ZoneWord />
        </>
      ),
      className: "soft",
      cell: ({ planned, firing }) =>
        firing && isAgain(firing, isTimed) ? null : <Day at={planned} />,
    },
    {
      key: "time",
      head: "",
      num: true,
      cell: ({ planned, firing }) =>
        firing && isAgain(firing, isTimed) ? null : <Clock at={planned} />,
    },
    {
      key: "outcome",
      head: "Outcome",
      cell: ({ firing }) => {
        if (!firing) return <State of="planned" />;
        const { state, words } = firingOutcome(firing, isTimed);
        if (!isAgain(firing, isTimed)) return <State of={state}>{words}</State>;
        return (
          <span className="state" data-tone="ok">
            <Icon name="plus" />
            <span>{words}</span>
          </span>
        );
      },
    },
    {
      key: "at",
      head: "At",
      num: true,
      className: "soft",
      cell: ({ firing }) => firing?.outcome === "fired" && <Moment at={firing.at} show="time" />,
    },
    {
      key: "why",
      head: "Reason",
      className: "why-cell",
      cell: ({ planned, firing }) =>
        firing ? firingReason(firing) : `in ${formatDuration(Math.max(0, epochMs(planned) - now))}`,
    },
    {
      key: "run",
      head: "Run",
      cell: ({ firing }) => firing?.run && <RunId id={firing.run} whole />,
    },
    {
      key: "status",
      head: "Run's outcome",
      className: "soft",
      cell: ({ firing }) =>
        firing?.status === "failed" ? <State of="failed" /> : (firing?.status ?? null),
    },
  ];
  return (
    <>
      <DataTable
        label={`History of ${schedule.schedule}`}
        className="hist-table"
        columns={columns}
        rows={rows}
        rowKey={(row) => row.key}
        onOpen={({ firing }) => {
          if (firing?.run) void navigate({ to: "/runs/$run", params: { run: firing.run } });
        }}
      />
      <MoreButton query={history} what="planned times" />
      <p className="foot">
        <span>
          {firings.length === 0
            ? "No planned time has come yet"
            : history.hasNextPage
              ? `The newest ${counted(firings.length, "planned time")}; each has exactly one record`
              : `${counted(firings.length, "planned time", "planned times")} kept; each has exactly one record`}
        </span>
        <span className="wide-only">
          <kbd>J</kbd> <kbd>K</kbd> move, <kbd>Enter</kbd> open its run
        </span>
      </p>
    </>
  );
}

/** The next planned time, then the past ones; of one time the last firing stands below the first. */
export function historyRows(
  schedule: ScheduleState,
  firings: readonly Firing[],
  isTimed: boolean,
): Row[] {
  const past: Row[] = [];
  for (const firing of firings) {
    const row = { key: `${firing.planned}#${firing.suffix}`, planned: firing.planned, firing };
    const twins = past.findIndex(({ planned }) => planned === firing.planned);
    if (isTimed && twins >= 0 && firing.suffix === "") past.splice(twins, 0, row);
    else past.push(row);
  }
  const next = schedule.paused && !schedule.paused.until ? undefined : schedule.next[0];
  return next ? [{ key: "next", planned: next.planned }, ...past] : past;
}

function Day({ at }: { at: string }) {
  const { zone } = usePreferences();
  const now = useNow();
  return <span title={formatBoth(epochMs(at))}>{plannedDay(epochMs(at), zone, now, false)}</span>;
}

function Clock({ at }: { at: string }) {
  const { zone } = usePreferences();
  return (
    <time dateTime={at} title={formatBoth(epochMs(at))}>
      {plannedClock(epochMs(at), zone)}
    </time>
  );
}
