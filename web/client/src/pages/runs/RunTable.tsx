/** How are runs listed where there is room? */

import { useNavigate } from "@tanstack/react-router";
import { type RefObject, useMemo, useState } from "react";
import { type Column, DataTable } from "@/ui/DataTable";
import { Count } from "@/ui/figures";
import { counted, formatCount } from "@/ui/format";
import { Moment, ZoneWord } from "@/ui/Moment";
import { RunId } from "@/ui/RunId";
import { RunRoot } from "./RunRoot";
import { BooksState, RunState } from "./RunState";
import { Took, TookBefore } from "./Took";
import type { ListedRun } from "./useRuns";

interface RunTableProps {
  runs: readonly ListedRun[];
  total: number;
  /** True if runs of several pipelines stand in the list. */
  several: boolean;
  box: RefObject<HTMLDivElement | null>;
  onEnd(): void;
  onSight(first: number): void;
}

/** One row a run. */
export function RunTable({ runs, total, several, box, onEnd, onSight }: RunTableProps) {
  const navigate = useNavigate();
  const [sight, setSight] = useState<[number, number]>([1, 1]);
  const lines = runs.some((run) => typeof run.lines === "number");
  const columns = useMemo(() => columnsOf(several, lines), [several, lines]);
  const seen = useMemo(
    () => (first: number, last: number) => {
      setSight([first, last]);
      onSight(first);
    },
    [onSight],
  );
  return (
    <section className="list fills">
      <DataTable
        label="Runs"
        columns={columns}
        rows={runs}
        rowKey={(run) => run.run}
        total={total}
        fill
        box={box}
        onEnd={onEnd}
        onSight={seen}
        onOpen={(run) => void navigate({ to: "/runs/$run", params: { run: run.run } })}
      />
      <p className="foot">
        <span>
          {formatCount(sight[0])} to {formatCount(sight[1])} of {formatCount(total)}
        </span>
        <span className="keys">
          <kbd>J</kbd> <kbd>K</kbd> move, <kbd>Enter</kbd> open, <kbd>/</kbd> search, <kbd>?</kbd>{" "}
          all keys
        </span>
      </p>
    </section>
  );
}

/** The columns; with `several` pipelines a version has its pipeline's name. */
export function columnsOf(several: boolean, lines: boolean): Column<ListedRun>[] {
  return [
    { key: "status", head: "Status", width: 242, cell: (run) => <RunState run={run} /> },
    { key: "run", head: "Run", width: 126, cell: (run) => <RunId id={run.run} whole /> },
    {
      key: "root",
      head: "Root",
      className: "root",
      width: 367,
      cell: (run) => <RunRoot run={run} />,
    },
    {
      key: "version",
      head: "Version",
      className: "soft",
      width: several ? 150 : 62,
      cell: (run) => `${several ? run.pipeline : ""}@${run.version}`,
    },
    {
      key: "opened",
      head: (
        <>
          Opened, <ZoneWord />
        </>
      ),
      num: true,
      className: "soft",
      width: 97,
      cell: (run) => <Moment at={run.opened} />,
    },
    { key: "took", head: "Took", num: true, width: 113, cell: (run) => <Took run={run} /> },
    {
      key: "before",
      head: (
        <span title="Up to 15 runs before with a root like this one; the dot is this run">
          Took before
        </span>
      ),
      className: "sp",
      width: 84,
      cell: (run) => <TookBefore run={run} />,
    },
    {
      key: "lines",
      head: lines ? "Lines" : "Events",
      num: true,
      width: 89,
      cell: (run) => (
        <span title={counted(run.events, "event")}>
          <Count value={run.lines ?? run.events} />
        </span>
      ),
    },
    {
      key: "dead",
      head: "Dead",
      num: true,
      width: 59,
      cell: (run) => (
        <Count value={run.dead} tone="dead" strong={!run.status.startsWith("completed")} />
      ),
    },
    {
      key: "flight",
      head: "In flight",
      num: true,
      width: 81,
      cell: (run) => <Count value={run.in_flight} tone="flight" strong />,
    },
    { key: "books", head: "Books", width: 121, cell: (run) => <BooksState run={run} /> },
  ];
}
