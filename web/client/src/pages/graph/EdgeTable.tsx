/** The graph as a table: a row for each event and its reader. */

import type { ReactNode } from "react";
import type { Trouble } from "@/live/needs";
import { type Column, DataTable } from "@/ui/DataTable";
import { Count, Duration } from "@/ui/figures";
import { formatPerSecond } from "@/ui/format";
import { State, type Tone } from "@/ui/State";
import { edgeTone, lookOf } from "./conditions";
import type { DataTroubles } from "./dataTroubles";
import { countsOf } from "./edgeWords";
import type {
  EdgeFigures,
  Figures,
  GraphEdge,
  Picture,
  RunEdgeCounts,
  RunOverlay,
  StageFigures,
} from "./graphData";

interface Row {
  edge: GraphEdge;
  flow: EdgeFigures | undefined;
  reader: StageFigures | undefined;
  counts: RunEdgeCounts | undefined;
  tone: Tone | undefined;
  draining: number | null | undefined;
}

interface EdgeTableProps {
  picture: Picture;
  figures: Figures | undefined;
  run: RunOverlay | undefined;
  /** What is wrong with the data of events. */
  troubles: DataTroubles;
  /** The stage that is selected. */
  stage: string | undefined;
  onStage(stage: string): void;
  onEdge(edge: string): void;
}

/** The same as the picture, for the keyboard, for screen readers, for Ctrl-F. */
export function EdgeTable(props: EdgeTableProps) {
  const { picture, figures, run, troubles, stage, onStage, onEdge } = props;
  const rows = rowsOf(picture, figures, run);
  return (
    <DataTable
      label="Edges: an event and its reader"
      columns={[eventColumn(onEdge, troubles), stageColumn, ...(run ? runColumns : columns)]}
      rows={rows}
      rowKey={(row) => row.edge.id}
      current={rows.find((row) => stage !== undefined && row.edge.target === stage)?.edge.id}
      onOpen={({ edge }) => (edge.target === null ? onEdge(edge.id) : onStage(edge.target))}
    />
  );
}

/** The edges in the order in which events flow. */
export function rowsOf(
  picture: Picture,
  figures: Figures | undefined,
  run: RunOverlay | undefined,
): Row[] {
  const drains = new Map(picture.stages.map((stage) => [stage.name, stage.draining]));
  return picture.edges.map((edge) => {
    const isGone = edge.mark === "-"; // of the version that it is compared with: nothing flows
    const flow = isGone ? undefined : figures?.edges[edge.id];
    const reader = isGone || edge.target === null ? undefined : figures?.stages[edge.target];
    return {
      edge,
      flow,
      reader,
      counts: countsOf(run, edge),
      tone: edgeTone(flow, reader),
      draining: edge.target === null ? null : drains.get(edge.target),
    };
  });
}

/** The event opens its edge, as a click on the picture's does; the row opens its reader. */
function eventColumn(onEdge: (edge: string) => void, troubles: DataTroubles): Column<Row> {
  return {
    key: "event",
    head: "Event",
    width: 150,
    cell: ({ edge, draining }) => (
      <>
        {edge.mark && (
          <span className={edge.mark === "-" ? "t-removed" : "t-added"} title={edge.said}>
            {edge.mark === "-" ? "−" : edge.mark}{" "}
          </span>
        )}
        <button
          type="button"
          className="link-plain event-link"
          title={`Tail ${edge.event}`}
          onClick={(event) => {
            event.stopPropagation();
            onEdge(edge.id);
          }}
        >
          {edge.event}
        </button>
        {draining != null && <span className="soft"> @{draining}</span>}
        <DataState trouble={troubles.get(edge.event)} />
      </>
    ),
  };
}

/** What is wrong with an event's data; it stands behind its name. */
export function DataState({ trouble }: { trouble: Trouble | undefined }) {
  if (!trouble) return null;
  return (
    <>
      {" "}
      <State of={trouble.state} title={trouble.reason}>
        {trouble.words}
      </State>
    </>
  );
}

const stageColumn: Column<Row> = {
  key: "stage",
  head: "Stage",
  width: 110,
  className: "medium",
  cell: ({ edge }) => edge.target ?? <span className="faint">nobody reads it</span>,
};

const columns: Column<Row>[] = [
  {
    key: "state",
    head: "State",
    width: 150,
    cell: ({ reader }) => {
      if (!reader) return null;
      const look = lookOf(reader.condition.code);
      const isTried = reader.mode !== "" && !look.stands;
      return (
        <>
          {isTried ? (
            <State of="on" />
          ) : (
            <State of={look.of} tone={look.tone} title={reader.condition.why}>
              {look.word}
            </State>
          )}
          {reader.mode && <span className="faint"> {reader.mode}</span>}
        </>
      );
    },
  },
  figure("in", "in /s", ({ flow }) => <Flow perSecond={flow?.rate_in} />),
  figure("settled", "settled /s", ({ flow, tone }) => (
    <Flow perSecond={flow?.rate_out} tone={isBehind(flow) ? tone : undefined} />
  )),
  figure("flight", "in flight", ({ flow, tone }) => (
    <Count value={flow?.in_flight} tone={tone} strong={tone !== undefined} />
  )),
  figure("oldest", "oldest", ({ flow, tone }) =>
    flow?.oldest_seconds != null && flow.in_flight ? (
      <span className={tone ? `tone-${tone} strong` : undefined}>
        <Duration ms={flow.oldest_seconds * 1000} />
      </span>
    ) : null,
  ),
  figure("parked", "parked", ({ reader }) => (
    <Count
      value={reader?.parked}
      tone={reader?.parked ? "wait" : undefined}
      strong={Boolean(reader?.parked)}
    />
  )),
  figure("dead", "dead, open", ({ reader }) => (
    <Count
      value={reader?.dead}
      tone={reader?.dead ? "dead" : undefined}
      strong={Boolean(reader?.dead)}
    />
  )),
  figure("filtered", "filtered /s", ({ flow }) => (
    <Flow perSecond={flow?.filtered_rate || undefined} />
  )),
  figure("lanes", "lanes at work", ({ reader, tone }) =>
    reader ? (
      <span
        className={tone && reader.lanes_at_work < reader.lanes ? `tone-${tone} strong` : undefined}
      >
        {reader.lanes_at_work} of {reader.lanes}
      </span>
    ) : null,
  ),
];

const runColumns: Column<Row>[] = [
  figure("emitted", "emitted", ({ counts }) => <Count value={counts?.emitted} />),
  read("handled", ({ handled }) => <Count value={handled} />),
  read("in flight", ({ in_flight: count }) => (
    <Count value={count} tone={count ? "flight" : undefined} />
  )),
  read("parked", ({ parked: count }) => <Count value={count} tone={count ? "wait" : undefined} />),
  read("dead", ({ dead: count }) => <Count value={count} tone={count ? "dead" : undefined} />),
];

/** A count of what a reader has done with an event: nobody has, of what nobody reads. */
function read(name: string, cell: (counts: RunEdgeCounts) => ReactNode): Column<Row> {
  return figure(name, name, ({ edge, counts }) =>
    counts && edge.target !== null ? cell(counts) : null,
  );
}

function figure(key: string, head: string, cell: Column<Row>["cell"]): Column<Row> {
  return { key, head, cell, num: true, width: 84, label: head };
}

/** A rate without its unit, which stands in the head. */
function Flow({
  perSecond,
  tone,
}: {
  perSecond: number | null | undefined;
  tone?: Tone | undefined;
}) {
  if (perSecond == null) return null;
  const look = tone ? `tone-${tone} strong` : perSecond === 0 ? "zero" : undefined;
  return <span className={look}>{formatPerSecond(perSecond)}</span>;
}

function isBehind(flow: EdgeFigures | undefined): boolean {
  return flow?.rate_in != null && flow.rate_out != null && flow.rate_out < flow.rate_in * 0.9;
}
