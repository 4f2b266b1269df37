/** One run: the balance picture, the balance sheet, the timeline. */

import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { get } from "@/api/client";
import { PageHead } from "@/layout/PageHead";
import { useLiveRefresh, usePollInterval } from "@/live/useLive";
import { useNow } from "@/preferences/clock";
import { CopyCommand } from "@/ui/CopyCommand";
import { counted, formatCount, formatDuration } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { Empty, ErrorNote, Loading } from "@/ui/PageStates";
import { CopyId } from "@/ui/RunId";
import { State } from "@/ui/State";
import { BalanceSheet } from "./BalanceSheet";
import { BalancePicture } from "./balance/BalancePicture";
import { EdgeBars } from "./EdgeBars";
import { type RunBalance, stateOfRun } from "./model";
import { RunActions } from "./RunActions";
import { RunChecks } from "./RunChecks";
import { RunFacts } from "./RunFacts";
import { RunProblems } from "./RunProblems";
import { TimelineSection } from "./TimelineSection";
import "./run.css";

const LIVE_MS = 5_000; // an open run is asked for again where the stream says nothing of it
const SLOW_MS = 5_000; // what costs more to read

export default function RunPage() {
  const { run: id = "" } = useParams({ strict: false });
  const liveMs = usePollInterval(`run/${id}`, LIVE_MS);
  const asked = useQuery({
    queryKey: ["run", id],
    queryFn: ({ signal }) => get("/api/v1/runs/{run}", { path: { run: id }, signal }),
    refetchInterval: (query) => (query.state.data?.closed === null ? liveMs : false),
  });
  const run = asked.data;
  useLiveRefresh(run ? `run/${run.run}` : undefined, ["run", id]);
  const isOpen = run?.closed === null;
  const waiting = run ? stagesInFlight(run) : [];
  const waits = useQuery({
    queryKey: ["waits", run?.run, waiting],
    queryFn: ({ signal }) =>
      get("/api/v1/runs/{run}/waits", {
        path: { run: run?.run ?? "" },
        query: { pipeline: run?.pipeline ?? "", version: run?.version ?? 0, stage: waiting },
        signal,
      }),
    enabled: isOpen && waiting.length > 0,
    refetchInterval: isOpen ? SLOW_MS : false,
    placeholderData: (before) => before,
  });
  const timeline = useQuery({
    queryKey: ["timeline", run?.run],
    queryFn: ({ signal }) =>
      get("/api/v1/runs/{run}/timeline", { path: { run: run?.run ?? "" }, signal }),
    enabled: run !== undefined && run.status !== "unopened",
    refetchInterval: isOpen ? SLOW_MS : false,
    retry: false,
  });
  const reasons = isOpen ? (waits.data ?? []) : [];
  return (
    <>
      <PageHead
        title={run ? `Run ${run.run}` : `Run ${id}`}
        heading={
          <span className="run-id">
            <CopyId id={run?.run ?? id} whole />
          </span>
        }
        crumb={
          <>
            <Link to="/runs">Runs</Link>
            <Icon name="right" />
            {run && (
              <Link to="/runs" search={{ pipeline: run.pipeline }}>
                {run.pipeline}
              </Link>
            )}
          </>
        }
        actions={run && <RunActions run={run} />}
      >
        {run && <RunStates run={run} />}
      </PageHead>
      {asked.isPending && <Loading />}
      {asked.isError && !run && (
        <ErrorNote
          error={asked.error}
          what={`The run ${id}`}
          onRetry={() => void asked.refetch()}
        />
      )}
      {run && (
        <>
          <GapBanner run={run} />
          <RunFacts run={run} />
          <RunProblems run={run} />
          {run.edges.length === 0 ? (
            <Empty title="No stage has begun this run">
              Where its events are stands here once a stage has taken its root.
            </Empty>
          ) : (
            <>
              <section className="sect pic-sect">
                <div className="sect-head">
                  <h2>Where every event is</h2>
                  <p className="note wide-only">
                    Widths are events. Each is in one place, and once for each stage where several
                    read it.
                  </p>
                  <span className="right">
                    <AddsUp run={run} />
                  </span>
                </div>
                <div className="wide-only">
                  <BalancePicture run={run} waits={reasons} />
                </div>
                <EdgeBars run={run} waits={reasons} />
              </section>
              <BalanceSheet run={run} />
              <RunChecks run={run} />
              <TimelineSection
                run={run}
                waits={reasons}
                timeline={timeline.data}
                error={timeline.error}
                onRetry={() => void timeline.refetch()}
              />
            </>
          )}
        </>
      )}
    </>
  );
}

/** The stages before which events of the run wait, each once. */
function stagesInFlight(run: RunBalance): string[] {
  const own = run.edges.filter((edge) => edge.in_flight > 0 && edge.foreign === null);
  return [...new Set(own.map((edge) => edge.stage))];
}

function RunStates({ run }: { run: RunBalance }) {
  const now = useNow();
  const late = run.expected_until === null ? 0 : (run.closed ?? now) - run.expected_until;
  return (
    <p className="states">
      <State of={stateOfRun(run.status)}>{run.status}</State>
      {run.late && (
        <State of="late">{late > 0 ? <>late by {formatDuration(late)}</> : "late"}</State>
      )}
      {run.amended > 0 && <State of="amended">amended</State>}
    </p>
  );
}

function AddsUp({ run }: { run: RunBalance }) {
  const different = run.edges.some((edge) => !edge.same_events);
  if (run.difference > 0)
    return <State of="gap">does not add up, difference {formatCount(run.difference)}</State>;
  if (different) return <State of="gap">adds up, and not the same events</State>;
  return <State of="handled">adds up, difference 0</State>;
}

/** Says first what nobody accounts for. */
function GapBanner({ run }: { run: RunBalance }) {
  const wrong = run.edges.filter((edge) => edge.difference !== 0 || !edge.same_events);
  const [first] = wrong;
  if (!first) return null;
  const count = Math.abs(first.difference);
  const title =
    first.difference > 0
      ? `${counted(count, "event is", "events are")} unaccounted for.`
      : first.difference < 0
        ? `${counted(count, "event", "events")} too many settled.`
        : "Other events were settled than were emitted.";
  return (
    <div className="banner gap-banner" role="alert">
      <Icon name="warning" />
      {title}
      <span>
        {formatCount(first.emitted)} {first.event_type} were emitted, {first.stage} accounts for{" "}
        {formatCount(first.emitted - first.difference)}
        {wrong.length > 1 && `; and on ${wrong.length - 1} more edges`}.
      </span>
      <CopyCommand command={`farandole audit ${run.run}`} />
    </div>
  );
}
