/** One event with its causes up to the root and its effects down to the leaves. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { get } from "@/api/client";
import { PageHead } from "@/layout/PageHead";
import { useFilters } from "@/navigation/search";
import { type Fact, Facts } from "@/ui/Facts";
import { Count } from "@/ui/figures";
import { formatDuration } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { Moment } from "@/ui/Moment";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { CopyId, RunId } from "@/ui/RunId";
import { SearchField } from "@/ui/SearchField";
import { Segments } from "@/ui/Segments";
import { State } from "@/ui/State";
import { DownloadLink } from "../event";
import { eventQuery, useEvent } from "../event/eventQuery";
import { RootFact } from "../run/RootFact";
import { EventPanel } from "./EventPanel";
import type { RailResult } from "./rail";
import { TraceTable } from "./TraceTable";
import "../event/event.css";
import "./trace.css";

export default function TracePage() {
  const { id = "" } = useParams({ strict: false });
  const [{ pipeline, at, fold }, change] = useFilters();
  const navigate = useNavigate();
  const folds = fold !== "no";
  const asked = useQuery({
    queryKey: ["trace", pipeline, id, folds],
    queryFn: ({ signal }) =>
      get("/api/v1/events/trace", {
        query: { ...eventQuery({ pipeline, event: id }), fold: folds },
        signal,
      }),
    placeholderData: keepPreviousData,
    retry: false,
  });
  const trace = asked.data;
  const target = trace?.rows.find((row) => row.is_target)?.position ?? undefined;
  const selected = at ?? target ?? trace?.rows[0]?.position ?? undefined;
  const event = useEvent({ pipeline: trace?.pipeline ?? pipeline, event: target ?? id }, !!target);
  return (
    <>
      <PageHead
        title={id}
        heading={
          <span className="run-id">
            <CopyId id={target ?? id} whole />
          </span>
        }
        crumb={
          <>
            <Link to="/runs">Runs</Link>
            {trace?.run && (
              <>
                <Icon name="right" />
                <RunId id={trace.run} whole />
              </>
            )}
          </>
        }
        actions={
          <>
            <SearchField
              label="Another event"
              placeholder="Id or position"
              value=""
              onSearch={(next) => {
                if (next.includes("/"))
                  void navigate({ to: "/trace/$id", params: { id: next }, search: { pipeline } });
              }}
            />
            {event.data && <DownloadLink event={event.data} reveal={false} />}
          </>
        }
      >
        {trace && <TraceStates trace={trace} />}
      </PageHead>
      {asked.isPending && <Loading label="The trace is being read" />}
      {asked.isError && (
        <ErrorNote
          error={asked.error}
          what={`The event ${id}`}
          onRetry={() => void asked.refetch()}
        />
      )}
      {trace && (
        <>
          <Facts facts={factsOf(trace)} />
          <div className="work trace-work">
            <section className="canvas" aria-label="Trace">
              <div className="sub-head">
                <h2>Causes and effects</h2>
                <span className="small faint wide-only">
                  discs are events, squares the stages that handled them; from the root down to the
                  leaves
                </span>
                <span className="right">
                  <Segments
                    className="tight"
                    label="Show"
                    value={folds ? "yes" : "no"}
                    segments={[
                      { value: "yes", label: "Folded" },
                      { value: "no", label: "All" },
                    ]}
                    onChange={(value) => change({ fold: value === "no" ? "no" : undefined })}
                  />
                </span>
              </div>
              <TraceTable
                trace={trace}
                selected={selected}
                onSelect={(position) =>
                  change({ at: position === target ? undefined : position }, { replace: true })
                }
                onUnfold={() => change({ fold: "no" })}
              />
              {trace.notes.length > 0 && (
                <ul className="trace-notes">
                  {trace.notes.map((note) => (
                    <li key={note}>{note}</li>
                  ))}
                </ul>
              )}
              <Legend />
            </section>
            {selected && <EventPanel trace={trace} position={selected} />}
          </div>
        </>
      )}
    </>
  );
}

function TraceStates({ trace }: { trace: RailResult }) {
  const open = trace.dead - trace.settled_letters;
  return (
    <p className="states">
      {open > 0 && (
        <State of="dead">
          {open} dead {open === 1 ? "letter" : "letters"}
        </State>
      )}
      {trace.settled_letters > 0 && (
        <State of="replayed">
          {trace.settled_letters === 1 ? "died once, settled" : `${trace.settled_letters} settled`}
        </State>
      )}
    </p>
  );
}

function factsOf(trace: RailResult): Fact[] {
  const root = trace.rows.find((row) => row.is_root);
  const times = trace.rows.flatMap((row) => row.at ?? []);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const facts: Fact[] = [];
  if (trace.run)
    facts.push({
      label: "Run",
      value: <RunId id={trace.run} whole accent />,
      note: trace.pipeline,
    });
  if (root?.position)
    facts.push({
      label: "Root",
      value: <RootFact pipeline={trace.pipeline} position={root.position} />,
      note: (
        <>
          {root.position}, <Moment at={root.at} />
        </>
      ),
    });
  if (times.length > 1)
    facts.push({
      label: "From first to last",
      value: formatDuration(last - first),
      note: "as far as it is shown here",
    });
  facts.push({
    label: "Causes",
    value: <Count value={trace.causes} />,
    note: root ? "up to the root" : "the root is not known",
  });
  facts.push({
    label: "Effects",
    value: <Count value={trace.effects} unit={trace.effects === 1 ? "event" : "events"} />,
    note: trace.dead > 0 ? `${trace.dead} of them or their effects died` : "none died",
  });
  return facts;
}

function Legend() {
  return (
    <p className="legend trace-legend">
      <span>
        <svg className="pic" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
          <rect x="0" y="3" width="16" height="10" fill="url(#hatch)" />
        </svg>
        waited and was handled
      </span>
      <span>
        <svg className="pic" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
          <path className="s-ink" strokeDasharray="2 3" strokeWidth="1.5" d="M8 0V16" />
        </svg>
        dead, then replayed
      </span>
      <span>two hairlines: a time in which nothing happened is left out</span>
    </p>
  );
}
