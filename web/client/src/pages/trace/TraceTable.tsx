/** How do the causes and effects of an event stand below each other? */

import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useKeys } from "@/keyboard/keys";
import { usePreferences } from "@/preferences/preferences";
import { classes } from "@/ui/classes";
import { Age } from "@/ui/figures";
import { formatCount, formatDuration, formatTime } from "@/ui/format";
import { SafeText } from "@/ui/JsonView";
import { Moment, ZoneWord } from "@/ui/Moment";
import { State } from "@/ui/State";
import { RailCellView } from "./RailCellView";
import { deepest, FIRST_X, type RailResult, type RailRow, railCells, STEP_X } from "./rail";
import { useEffectCounts, withSiblings } from "./siblings";
import { timeAxis } from "./timeAxis";
import { WATERFALL, Waterfall } from "./Waterfall";

interface TraceTableProps {
  trace: RailResult;
  /** The position of the event in the panel. */
  selected: string | undefined;
  onSelect(position: string): void;
  onUnfold(): void;
}

export function TraceTable({ trace, selected, onSelect, onUnfold }: TraceTableProps) {
  const { zone } = usePreferences();
  const counts = useEffectCounts(trace);
  const rows = useMemo(() => withSiblings(trace.rows, counts), [trace.rows, counts]);
  const cells = useMemo(() => railCells(rows), [rows]);
  const axis = useMemo(
    () =>
      timeAxis(
        rows.flatMap((row) => row.at ?? []),
        WATERFALL,
      ),
    [rows],
  );
  const emitted = useMemo(
    () =>
      new Map(
        rows
          .filter((row) => row.kind === "event" && row.at !== null)
          .map((row) => [row.position, row.at ?? undefined]),
      ),
    [rows],
  );
  const width = FIRST_X * 2 + STEP_X * Math.max(0, deepest(rows) - 1);
  const events = rows.filter((row) => row.kind === "event" && row.position !== null);
  const step = (by: number) => {
    const at = events.findIndex((row) => row.position === selected);
    const next = events[Math.min(events.length - 1, Math.max(0, at + by))];
    if (next?.position) onSelect(next.position);
  };
  useKeys([
    { key: "ArrowDown", does: "effect", run: () => step(1) },
    { key: "ArrowUp", does: "cause", run: () => step(-1) },
    { key: "j", does: "effect", run: () => step(1) },
    { key: "k", does: "cause", run: () => step(-1) },
  ]);
  return (
    <div className="scroll-x">
      <table className="table fold trace-table" aria-label="Causes and effects">
        <thead>
          <tr>
            <th aria-label="Rail" />
            <th scope="col">Event, stage</th>
            <th scope="col" className="num">
              Emitted, <ZoneWord />
            </th>
            <th scope="col" className="num">
              Age
            </th>
            <th scope="col">Version</th>
            <th scope="col" className="num" title="From the emission of the event to its result">
              Took
            </th>
            <th scope="col" className="num">
              Tries
            </th>
            <th scope="col">Became of it</th>
            <th className="wfc" aria-label="When">
              <svg
                className="pic wf"
                viewBox="0 0 148 16"
                width="148"
                height="16"
                aria-hidden="true"
              >
                <text className="dim" x="2" y="12">
                  {axis.first > 0 && formatTime(axis.first, zone)}
                </text>
                {axis.last > axis.first && (
                  <text className="dim end" x="146" y="12">
                    {formatTime(axis.last, zone)}
                  </text>
                )}
              </svg>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => {
            const cell = cells[index];
            const begin = row.kind === "event" ? undefined : emitted.get(row.position);
            return (
              <tr
                key={`${row.kind} ${row.position} ${row.stage} ${row.letter} ${index}`}
                className={classes(
                  row.kind === "event" && "ev",
                  row.kind === "dead" && "dead-row",
                  row.kind === "fold" && "more",
                )}
                aria-current={
                  row.kind === "event" && row.position === selected ? "true" : undefined
                }
              >
                {cell && <RailCellView row={row} cell={cell} width={width} />}
                <RowCells
                  row={row}
                  begin={begin}
                  onSelect={onSelect}
                  onUnfold={onUnfold}
                  trace={trace}
                />
                <td className="wfc">
                  <Waterfall row={row} axis={axis} begin={begin} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

interface RowProps {
  row: RailRow;
  begin: number | undefined;
  onSelect(position: string): void;
  onUnfold(): void;
  trace: RailResult;
}

function RowCells(props: RowProps) {
  if (props.row.kind === "event") return <EventCells {...props} />;
  if (props.row.kind === "fold") return <FoldCells {...props} />;
  return <StageCells {...props} />;
}

function EventCells({ row, onSelect, trace }: RowProps) {
  const position = row.position ?? "";
  const rest = position.slice((row.event_type ?? "").length);
  return (
    <>
      <td className="name-cell">
        <button type="button" className="event-name" onClick={() => onSelect(position)}>
          <b className="strong">
            <SafeText text={row.event_type ?? ""} />
          </b>
          <span className="id faint">{rest}</span>
        </button>
      </td>
      <td className="num soft">
        <Moment at={row.at} />
      </td>
      <td className="num soft" data-k="age">
        <Age since={row.at} />
      </td>
      <td className="soft ver">
        {row.version !== null && (
          <Link
            to="/pipelines/$pipeline"
            params={{ pipeline: trace.pipeline }}
            search={{ version: String(row.version) }}
          >
            @{row.version}
          </Link>
        )}
      </td>
      <td className="num" />
      <td className="num" />
      <td className="faint became">{row.is_root && "root"}</td>
    </>
  );
}

function FoldCells({ row, onUnfold }: RowProps) {
  const dead = row.dead ?? 0;
  return (
    <>
      <td className="name-cell faint" colSpan={3}>
        {row.is_cause ? (
          <FoldWords row={row} />
        ) : (
          <button type="button" className="event-name" onClick={onUnfold}>
            <FoldWords row={row} />
          </button>
        )}
      </td>
      <td />
      <td />
      <td />
      <td className="became faint">
        {dead > 0 && (
          <>
            <State of="dead">{formatCount(dead)} dead</State> below
          </>
        )}
      </td>
    </>
  );
}

function FoldWords({ row }: { row: RailRow }) {
  return (
    <>
      {row.why && `${row.why} `}
      {formatCount(row.events ?? 0)} other <SafeText text={row.event_type ?? ""} />
    </>
  );
}

function StageCells({ row, begin, trace }: RowProps) {
  const took = typeof row.at === "number" && begin !== undefined ? row.at - begin : undefined;
  const isResult = row.kind === "stage" || row.kind === "dead";
  return (
    <>
      <td className="name-cell stage" colSpan={3}>
        <span className="faint">
          {row.kind === "replay" ? "again by" : row.kind === "discard" ? "not again by" : "by"}
        </span>{" "}
        <b className="medium">{row.stage}</b>{" "}
        {row.kind === "dead" && row.why && (
          <span className="tone-dead">
            <SafeText text={row.why} />
          </span>
        )}
        {(row.kind === "replay" || row.kind === "discard") && (
          <span className="faint">
            by <SafeText text={row.by ?? ""} /> at <Moment at={row.at} />
            {row.why && (
              <>
                : <SafeText text={row.why} />
              </>
            )}
          </span>
        )}
      </td>
      <td className="soft ver">{row.version !== null && `@${row.version}`}</td>
      <td className="num" data-k="took">
        {isResult && took !== undefined && took >= 0 && (
          <span title={`${took} ms from the emission of the event to its result`}>
            {took < 1000 ? `${took} ms` : formatDuration(took)}
          </span>
        )}
      </td>
      <td className="num" data-k="tries">
        {(row.attempts ?? 0) > 1 ? <b>{row.attempts}</b> : row.attempts}
      </td>
      <td className="became">
        <Became row={row} trace={trace} />
      </td>
    </>
  );
}

function Became({ row, trace }: { row: RailRow; trace: RailResult }) {
  const letter = row.letter !== null && row.stage !== null && (
    <Link
      className="link"
      to="/dead-letters"
      search={{ pipeline: trace.pipeline, stage: row.stage, letter: String(row.letter) }}
    >
      {row.stage}/{row.letter}
    </Link>
  );
  switch (row.kind) {
    case "dead":
      return (
        <>
          <State of="dead" /> {letter}
        </>
      );
    case "replay":
      return <State of="replayed" />;
    case "discard":
      return <State of="excluded">discarded</State>;
    default:
      if (row.is_cause && (row.emitted ?? null) === null) return <State of="handled" />;
      if ((row.emitted ?? 0) > 0)
        return (
          <>
            <State of="handled" />{" "}
            <span className="soft">{formatCount(row.emitted ?? 0)} emitted</span>
          </>
        );
      if (!row.emits) return <span className="faint">emits nothing: the run’s books say more</span>;
      return <span className="faint">no event of it: dropped, filtered, or not yet</span>;
  }
}
