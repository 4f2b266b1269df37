/** When was a run opened, by what, under what, and how far is it? */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { get } from "@/api/client";
import { useNow } from "@/preferences/clock";
import { type Fact, Facts } from "@/ui/Facts";
import { Age, Count, Share } from "@/ui/figures";
import { formatCount, formatDuration } from "@/ui/format";
import { Moment, ZoneWord } from "@/ui/Moment";
import { RunId } from "@/ui/RunId";
import { State } from "@/ui/State";
import type { RunBalance } from "./model";
import { RootFact } from "./RootFact";

export function RunFacts({ run }: { run: RunBalance }) {
  const now = useNow();
  const repeats = useRepeats(run.run);
  const facts: Fact[] = [
    {
      label: "Opened",
      value: run.opened ? (
        <>
          <Moment at={run.opened} />{" "}
          <span className="unit">
            <ZoneWord />
          </span>
        </>
      ) : (
        <span className="faint">nobody knows</span>
      ),
      note: opening(run),
    },
  ];
  if (run.expected_within !== null && run.expected_until !== null)
    facts.push({
      label: "Expected within",
      value: (
        <span className={run.late ? "tone-late strong" : ""}>
          {formatDuration(run.expected_within * 1000)}
        </span>
      ),
      note: (
        <>
          until <Moment at={run.expected_until} />
          {run.throttled !== null && ", anew after a throttle"}
        </>
      ),
    });
  if (run.closed !== null)
    facts.push({
      label: "Took",
      value: formatDuration(Math.max(0, run.closed - run.opened)),
      note: (
        <>
          closed <Moment at={run.closed} />
        </>
      ),
    });
  const position = positionOf(run);
  facts.push({
    label: "Root",
    value: position ? <RootFact pipeline={run.pipeline} position={position} /> : <i>none</i>,
    note: position,
  });
  facts.push({
    label: "Version",
    value: (
      <Link
        className="link"
        to="/pipelines/$pipeline"
        params={{ pipeline: run.pipeline }}
        search={{ version: String(run.version), run: run.run }}
      >
        {run.pipeline}@{run.version}
      </Link>
    ),
    note: "its graph, with this run on it",
  });
  facts.push({
    label: "In flight",
    value: <Count value={run.in_flight} tone="flight" strong />,
    note: "events, once for each stage",
  });
  facts.push({
    label: "Dead",
    value:
      run.dead > 0 ? (
        <Link to="/dead-letters" search={{ pipeline: run.pipeline, run: run.run }}>
          <Count value={run.dead} tone="dead" strong />
        </Link>
      ) : (
        <Count value={run.dead} />
      ),
    note: run.dead > 0 && (
      <>
        <Share part={run.dead} whole={run.events} /> of all events
      </>
    ),
  });
  if (run.controls.length > 0)
    facts.push({
      label: "Control",
      value: (
        <Link className="link" to="/control" search={{ pipeline: run.pipeline }}>
          {run.controls.length} seen
        </Link>
      ),
      note: <span title={run.controls.join("\n")}>{controlWords(run.controls)}</span>,
    });
  const checks = checkFact(run);
  if (checks) facts.push(checks);
  const [repeat] = repeats;
  if (repeat)
    facts.push({
      label: "Repeated by",
      value: <RunId id={repeat.run} accent />,
      note:
        repeats.length > 1 ? (
          <Link className="link" to="/runs" search={{ q: run.run }}>
            and {repeats.length - 1} more
          </Link>
        ) : (
          <Moment at={repeat.opened} />
        ),
    });
  facts.push({ label: "Books", value: booksOf(run), note: booksNote(run, now) });
  return <Facts facts={facts} />;
}

/** The checks of its data that need somebody, or that all have passed; nothing without checks. */
function checkFact(run: RunBalance): Fact | undefined {
  const { failed = 0, warned = 0, passed = 0 } = run.checks;
  if (failed + warned + passed === 0) return undefined;
  const state = failed ? "failed" : warned ? "warned" : "passed";
  return {
    label: "Checks of its data",
    value: (
      <Link to="/quality" search={{ pipeline: run.pipeline }}>
        <State of={state}>
          {run.checks[state]} {state}
        </State>
      </Link>
    ),
    note: failed + warned > 0 && passed > 0 && `${formatCount(passed)} passed`,
  };
}

/** The runs that repeat a run, the newest first. */
function useRepeats(run: string) {
  const { data } = useQuery({
    queryKey: ["runs", "repeats", run],
    queryFn: ({ signal }) => get("/api/v1/runs", { query: { q: run, limit: 20 }, signal }),
    staleTime: 30_000,
  });
  return data?.runs.filter((each) => each.again === run) ?? [];
}

function opening(run: RunBalance): ReactNode {
  if (run.again)
    return (
      <>
        repeats <RunId id={run.again} accent />
      </>
    );
  if (run.schedule)
    return (
      <>
        by{" "}
        <Link
          className="link"
          to="/schedules"
          search={{ pipeline: run.pipeline, name: run.schedule }}
        >
          {run.schedule}
        </Link>
        {run.planned && (
          <>
            , planned <Moment at={run.planned} />
          </>
        )}
      </>
    );
  return run.opened ? (
    <>
      <Age since={run.opened} /> ago
    </>
  ) : undefined;
}

/** The position of the root as the addresses of events have it; undefined if nobody opened the run. */
export function positionOf(run: RunBalance): string | undefined {
  const root = run.root as { type?: unknown; partition?: unknown; offset?: unknown } | null;
  return root ? `${root.type}/${root.partition}/${root.offset}` : undefined;
}

function booksOf(run: RunBalance): ReactNode {
  if (run.difference > 0 || run.edges.some((edge) => !edge.same_events))
    return <span className="tone-gap">do not balance</span>;
  if (run.closed === null) return "open";
  return run.proven ? "balanced" : "settled, not proven";
}

function booksNote(run: RunBalance, now: number): ReactNode {
  if (run.books) return run.books.text;
  if (run.amended > 0) return run.amended === 1 ? "amended once" : `amended ${run.amended} times`;
  if (run.closed !== null) return undefined;
  return `last entry ${formatDuration(Math.max(0, now - run.last))} ago`;
}

function controlWords(controls: readonly string[]): string {
  const names = controls.map((each) => each.replace(/@\d+$/, "").replace("/", " "));
  const shown = names.slice(-2).join(", ");
  return names.length > 2 ? `${shown}…` : shown;
}
