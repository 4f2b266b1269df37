/** Which runs were there, which are late, and how did they end? */

import "./runs.css";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback, useRef, useState } from "react";
import { get } from "@/api/client";
import { PageHead } from "@/layout/PageHead";
import { periods } from "@/navigation/periods";
import { usePipelines } from "@/navigation/pipelines";
import { useFilters } from "@/navigation/search";
import { formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { MoreButton } from "@/ui/MoreButton";
import { Empty, ErrorNote } from "@/ui/PageStates";
import { useNarrow } from "@/ui/useNarrow";

import { triggerCommand } from "../trigger/triggerCommand";
import { DurationBars } from "./DurationBars";
import { RunCards } from "./RunCards";
import { RunFilters } from "./RunFilters";
import { RunsLoading } from "./RunsLoading";
import { RunTable } from "./RunTable";
import { useRuns, useRunsOverview } from "./useRuns";

export default function RunsPage() {
  const [search, change] = useFilters();
  const [atTop, setAtTop] = useState(true);
  const box = useRef<HTMLDivElement>(null);
  const narrow = useNarrow();
  const overview = useRunsOverview(search).data;
  const { pages, rows, fresh, total, error } = useRuns(search, atTop);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = pages;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const onSight = useCallback((first: number) => setAtTop(first <= 1), []);
  const filtered = ["q", "status", "late", "version", "since", "pipeline"].some(
    (name) => search[name],
  );
  const none = pages.isSuccess && rows.length === 0;
  const newest = rows.find((run) => run.late && run.closed === null);
  const several = new Set(overview?.versions.map(({ pipeline }) => pipeline)).size > 1;
  return (
    <div className="page-fills">
      <PageHead
        title="Runs"
        actions={
          <Link className="btn primary" to="/trigger">
            <Icon name="play" />
            Trigger…
          </Link>
        }
        filters={none && !filtered ? undefined : <RunFilters overview={overview} />}
      >
        {overview && overview.total > 0 && (
          <p className="small soft wide-only">
            <b className="strong">{formatCount(overview.total)}</b>
            {search["pipeline"] && ` of ${search["pipeline"]}`}
            {several || search["pipeline"] || !overview.versions[0]
              ? ""
              : ` of ${overview.versions[0].pipeline}`}{" "}
            {periods[search["since"] ?? ""]?.words}
          </p>
        )}
      </PageHead>
      {pages.isPending && <RunsLoading />}
      {pages.isError && !pages.data && (
        <ErrorNote error={error} what="The list of runs" onRetry={() => void pages.refetch()} />
      )}
      {none && (filtered ? <NoMatch onAll={() => change(everything)} /> : <NoRun />)}
      {rows.length > 0 && (
        <>
          {overview && <DurationBars durations={overview.durations} late={newest} />}
          {fresh > 0 && !atTop && (
            <p className="fresh-rows">
              <button
                type="button"
                className="btn plain"
                onClick={() => box.current?.scrollTo({ top: 0 })}
              >
                <Icon name="up" />
                {formatCount(fresh)} new
              </button>
            </p>
          )}
          {narrow ? (
            <>
              <RunCards runs={rows} />
              <MoreButton query={pages} what="runs" />
            </>
          ) : (
            <RunTable
              runs={rows}
              total={total ?? rows.length}
              several={several}
              box={box}
              onEnd={onEnd}
              onSight={onSight}
            />
          )}
        </>
      )}
    </div>
  );
}

const everything = {
  q: undefined,
  status: undefined,
  late: undefined,
  version: undefined,
  since: undefined,
  pipeline: undefined,
};

function NoMatch({ onAll }: { onAll(): void }) {
  return (
    <Empty
      title="No run matches"
      action={
        <button type="button" className="btn" onClick={onAll}>
          Show all runs
        </button>
      }
    >
      Runs stand here for as long as the books keep them.
    </Empty>
  );
}

function NoRun() {
  const pipelines = usePipelines().data ?? [];
  const pipeline = pipelines.find((one) => one.in_folder) ?? pipelines[0];
  const root = pipeline?.roots[0];
  const forms = useQuery({
    queryKey: ["trigger", undefined],
    queryFn: ({ signal }) => get("/api/v1/trigger", { signal }),
    enabled: root !== undefined,
    retry: false,
  });
  const form = forms.data?.events[0];
  return (
    <Empty
      title="No run yet"
      commands={[triggerCommand(form?.event_type ?? root ?? "EVENT", form?.sample ?? "{…}")]}
      action={
        <Link className="btn primary" to="/trigger">
          <Icon name="play" />
          Trigger{root ? ` ${root}` : ""}…
        </Link>
      }
    >
      A run begins when somebody publishes a root
      {pipeline && root ? `: in ${pipeline.pipeline} that is ${root}` : ""}. It stands here within a
      second.
    </Empty>
  );
}
