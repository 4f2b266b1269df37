/** What is in force, in one table? */

import { Fragment, type ReactNode, useState } from "react";
import { useNow } from "@/preferences/clock";
import { classes } from "@/ui/classes";
import { counted, formatCount, formatDuration } from "@/ui/format";
import { Moment, ZoneWord } from "@/ui/Moment";
import { RunId } from "@/ui/RunId";
import { State } from "@/ui/State";
import { WriteButton } from "@/ui/WriteButton";
import { shareText } from "./CanarySection";
import { EndDialog } from "./EndDialog";
import { factorText } from "./evidence";
import type { ControlRow } from "./queries";
import { SOON, waitingParts } from "./troubles";

const GROUPS: readonly { kinds: readonly ControlRow["kind"][]; name: string; note: string }[] = [
  { kinds: ["switch", "drain"], name: "Switches", note: "stages that do not simply work" },
  { kinds: ["throttle", "limit"], name: "Throttles", note: "and limits of what all lanes share" },
  { kinds: ["flag"], name: "Flags", note: "what functions are told" },
  { kinds: ["mute"], name: "Mutes", note: "of what nobody is told" },
  { kinds: ["ignore"], name: "Ignored", note: "numbers about runs that are not told" },
  { kinds: ["release"], name: "Releases", note: "runs that were let in whatever their checks say" },
];

interface ForceTableProps {
  rows: readonly ControlRow[];
  current: string | undefined;
  /** True if they are of several pipelines. */
  several: boolean;
  /** True for what has ended. */
  over?: boolean;
  onOpen(row: ControlRow): void;
}

/** Mode, of what, value, since, by whom, until when, done so far; what the file says without a button. */
export function ForceTable({ rows, current, several, over = false, onOpen }: ForceTableProps) {
  const [ends, setEnds] = useState<ControlRow>();
  return (
    <div className="scroll-x">
      <table className="table fold force" aria-label={over ? "Ended" : "In force"}>
        <thead>
          <tr>
            <th>Mode</th>
            <th>Of</th>
            <th>Value</th>
            <th className="num">Share</th>
            <th className="num">
              Since, <ZoneWord />
            </th>
            <th>By</th>
            <th className="num">{over ? "Ended" : "Until"}</th>
            <th>{over ? "Why" : "Done so far"}</th>
            <th aria-label="Deed" />
          </tr>
        </thead>
        <tbody>
          {GROUPS.map(({ kinds, name, note }) => {
            const own = rows.filter((row) => kinds.includes(row.kind));
            return (
              own.length > 0 && (
                <Fragment key={name}>
                  <tr className="label-row">
                    <th colSpan={9} scope="rowgroup">
                      <h2>{name}</h2> <span className="faint">{note}</span>
                    </th>
                  </tr>
                  {own.map((row) => (
                    <tr
                      key={row.id}
                      aria-current={row.id === current ? "true" : undefined}
                      className={hasReport(row) ? "opens" : undefined}
                      onClick={() => hasReport(row) && onOpen(row)}
                    >
                      <Cells row={row} several={several} over={over} onEnd={() => setEnds(row)} />
                    </tr>
                  ))}
                </Fragment>
              )
            );
          })}
        </tbody>
      </table>
      {ends && <EndDialog row={ends} onClose={() => setEnds(undefined)} />}
    </div>
  );
}

/** True for a row that has a section below the table. */
export function hasReport(row: ControlRow): boolean {
  if (row.ended) return false;
  return row.kind === "throttle"
    ? row.target !== ""
    : row.kind === "switch" && (row.mode === "canary" || row.mode === "shadow");
}

interface CellsProps {
  row: ControlRow;
  several: boolean;
  over: boolean;
  onEnd(): void;
}

function Cells({ row, several, over, onEnd }: CellsProps) {
  const name =
    row.target || (row.kind === "throttle" ? `roots of ${row.pipeline}` : `all of ${row.pipeline}`);
  return (
    <>
      <td>
        <ModeState row={row} />
      </td>
      <td className="medium">
        {several && row.target && <span className="faint">{row.pipeline}.</span>}
        {row.kind === "release" ? <RunId id={row.target} /> : name}
      </td>
      <td className="soft">
        <Value row={row} />
      </td>
      <td className="num" data-k="share">
        {shareText(row.share)}
      </td>
      <td className="num soft" data-k="since">
        {row.by_file ? `@${row.by_file.split("@").at(-1)}` : <Moment at={row.since} />}
      </td>
      <td className="soft" data-k="by">
        {row.by_file ? "topology.yaml" : <span title={row.comment || undefined}>{row.by}</span>}
      </td>
      <td className="num" data-k={over ? "ended" : "until"}>
        {over ? <Moment at={row.ended} /> : <UntilCell row={row} />}
      </td>
      <td data-k="so far">{over ? row.why : <Done row={row} />}</td>
      <td className="num">
        {!over &&
          (row.by_file ? (
            <span className="faint small">in the file</span>
          ) : row.kind === "mute" || row.kind === "release" ? (
            <span className="faint small">by itself</span>
          ) : (
            <WriteButton kind="plain" className="end" onClick={onEnd}>
              {row.mode === "hold" ? "Release…" : "End…"}
            </WriteButton>
          ))}
      </td>
    </>
  );
}

function ModeState({ row }: { row: ControlRow }) {
  switch (row.mode) {
    case "hold":
      return <State of="held" />;
    case "bypass":
      return <State of="bypass" />;
    case "shadow":
      return <State of="shadow" />;
    case "canary":
      return <State of="canary" />;
    case "drain":
      return <State of="draining">drain</State>;
    case "mute":
      return <State of="muted">mute</State>;
    case "ignore":
      return <State of="muted">ignored</State>;
    case "release":
      return <State of="in-force">let in</State>;
    case "flag":
      return <State of="flag" />;
    default:
      return (
        <State of="throttled" tone={row.done.waiting ? "wait" : "quiet"}>
          {row.mode}
        </State>
      );
  }
}

function Value({ row }: { row: ControlRow }): ReactNode {
  switch (row.mode) {
    case "hold":
      return row.comment ? <q>{row.comment}</q> : "takes nothing, keeps its place";
    case "bypass":
      return "its events go on as they came";
    case "shadow":
    case "canary":
      return <code>{row.value}</code>;
    case "drain":
      return "new roots wait, the rest goes through";
    case "mute":
      return "failures are counted, nobody is told";
    case "ignore":
      return row.comment ? <q>{row.comment}</q> : "learnt as before, nobody is told";
    case "release":
      return (
        <>
          into {row.value || "each gated stage"}
          {row.comment && (
            <>
              : <q>{row.comment}</q>
            </>
          )}
        </>
      );
    case "flag":
      return (
        <>
          <code>{row.value}</code>
          {row.otherwise && (
            <>
              {" "}
              <span className="faint">else</span> <code>{row.otherwise}</code>
            </>
          )}
          {row.condition && (
            <>
              {" "}
              <span className="faint">where</span> {row.condition}
            </>
          )}
        </>
      );
    default:
      return (
        <>
          {row.value}
          {row.kind === "limit" && " for all lanes"}
          {row.kind === "throttle" && !row.target && " roots"}
          {row.otherwise && <span className="faint"> else {row.otherwise}</span>}
        </>
      );
  }
}

function UntilCell({ row }: { row: ControlRow }) {
  const now = useNow();
  if (row.by_file) return null;
  if (!row.until) {
    const waits = row.mode === "hold" || row.mode === "drain" || Boolean(row.done.waiting);
    return waits ? <b className="tone-wait">no end set</b> : null;
  }
  const left = Date.parse(row.until) - now;
  if (left > SOON) return <Moment at={row.until} />;
  return (
    <>
      <b>
        <Moment at={row.until} />
      </b>{" "}
      in {formatDuration(Math.max(0, left))}
    </>
  );
}

function Done({ row }: { row: ControlRow }): ReactNode {
  const { done } = row;
  switch (row.mode) {
    case "hold": {
      const waits = waitingParts(row);
      if (waits.length === 0) return null;
      const some = waits.filter(({ count }) => count > 0);
      if (some.length === 0) return "nothing waits";
      return some.map(({ count, words, title }, index) => (
        <span key={words} title={title}>
          {index > 0 && ", "}
          <b className="tone-wait">{formatCount(count)}</b> {words}
        </span>
      ));
    }
    case "canary":
      return (
        <>
          {formatCount(done.calls ?? 0)} first attempts
          {done.evidence !== null && done.evidence !== undefined && (
            <>
              ; evidence <b>{factorText(done.evidence)}</b> of {factorText(done.ends_at ?? 2)}
            </>
          )}
        </>
      );
    case "shadow":
      return `${counted(done.calls ?? 0, "call")}, ${counted(done.differing ?? 0, "differs", "differ")}; nothing emitted`;
    case "flag":
      return `read ${counted(done.reads ?? 0, "time")} in the newest runs`;
    case "drain":
    case "mute":
    case "ignore":
    case "release":
    case "bypass":
      return null;
    default:
      return done.waiting ? (
        <b className="tone-wait">{formatCount(done.waiting)} wait for it</b>
      ) : (
        <span className={classes(!done.sharers && "faint")}>nothing waits for it</span>
      );
  }
}
