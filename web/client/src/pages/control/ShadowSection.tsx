/** In what do the results of a shadow's candidate differ? */

import { useState } from "react";
import { parseExact, stringifyExact } from "@/api/exactJson";
import { Count } from "@/ui/figures";
import { formatCount, formatShare } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { State } from "@/ui/State";
import { WriteButton } from "@/ui/WriteButton";
import { functionName, shareText } from "./CanarySection";
import { EndDialog } from "./EndDialog";
import { compareLines, type Line, prettyLines } from "./lines";
import { type ControlRow, type Reports, type Shadow, useReports } from "./queries";

/** The fields that differ, most first, then one sample side by side. */
export function ShadowSection({ row }: { row: ControlRow }) {
  const reports = useReports({ pipeline: row.pipeline, stage: row.target });
  const [ends, setEnds] = useState(false);
  const shadow = reports.data?.shadow ?? undefined;
  return (
    <section className="half" id={`shadow-${row.target}`} aria-label={`Shadow of ${row.target}`}>
      <header className="sub-head">
        <h2>
          {row.target}, shadow {shareText(row.share)}
        </h2>
        <span className="small soft">called after the stable outcome is final</span>
        <span className="right">
          <WriteButton onClick={() => setEnds(true)}>End shadow…</WriteButton>
        </span>
      </header>
      {reports.isPending && <Loading rows={5} />}
      {reports.isError && !reports.data && (
        <ErrorNote
          error={reports.error}
          what={`The report of ${row.target}`}
          onRetry={() => void reports.refetch()}
        />
      )}
      {shadow && reports.data && <Comparison shadow={shadow} reports={reports.data} />}
      {ends && <EndDialog row={row} onClose={() => setEnds(false)} />}
    </section>
  );
}

function Comparison({ shadow, reports }: { shadow: Shadow; reports: Reports }) {
  const raised = Object.values(shadow.errors).reduce((sum, each) => sum + each, 0);
  const differing = Math.max(0, shadow.differing - raised);
  return (
    <>
      <p className="lead">
        <State of="handled">nothing emitted</State>
        <span className="soft">
          <b className="strong">{formatCount(shadow.compared)}</b> of {formatCount(shadow.chosen)}{" "}
          calls compared, <b className="strong">{formatCount(shadow.differing)}</b> differ
          {shadow.compared > 0 && ` (${formatShare(shadow.differing, shadow.compared)})`}
          {raised > 0 && `, ${formatCount(raised)} raised`}.{rest(shadow)} {chance(shadow)}
        </span>
      </p>
      {shadow.compared > 0 && (
        <div className="sum-bar">
          <div className="cut" aria-hidden="true">
            <Part className="b-handled" share={shadow.same} />
            <Part className="b-late" share={differing} />
            <Part className="b-dead" share={raised} />
          </div>
          <ul className="inline">
            <li>
              <State of="handled">
                <b>{formatCount(shadow.same)}</b> same
              </State>
            </li>
            <li>
              <State of="warned">
                <b>{formatCount(differing)}</b> differ
              </State>
            </li>
            {raised > 0 && (
              <li>
                <State of="dead">
                  <b>{formatCount(raised)}</b> raised
                </State>
              </li>
            )}
            <li className="faint">{timesText(shadow)}</li>
          </ul>
        </div>
      )}
      {shadow.compared === 0 && (
        <p className="note-row">Nothing was compared yet: it begins with the next events.</p>
      )}
      {shadow.paths.length > 0 && <Fields shadow={shadow} />}
      {Object.entries(shadow.errors).map(([name, count]) => (
        <p key={name} className="note-row">
          <b className="medium">{formatCount(count)} raised</b> <code>{name}</code>
        </p>
      ))}
      {shadow.samples.length > 0 && <Samples shadow={shadow} own={reports.run} />}
    </>
  );
}

function Fields({ shadow }: { shadow: Shadow }) {
  const most = Math.max(...shadow.paths.map(({ calls }) => calls));
  return (
    <table className="mini versus">
      <thead>
        <tr>
          <th>Field</th>
          <th className="num">differ</th>
          <th className="share-col wide-only" />
          <th className="num">share</th>
          <th className="num">by chance</th>
        </tr>
      </thead>
      <tbody>
        {shadow.paths.map(({ path, calls, by_chance }) => (
          <tr key={path}>
            <td>
              <code>{path}</code>
            </td>
            <td className="num">
              <Count value={calls} strong />
            </td>
            <td className="share-col wide-only">
              <i style={{ width: `${(100 * calls) / most}%` }} />
            </td>
            <td className="num">{formatShare(calls, shadow.compared)}</td>
            <td className="num soft">{by_chance ?? ""}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Samples({ shadow, own }: { shadow: Shadow; own: string }) {
  const [index, setIndex] = useState(0);
  const count = shadow.samples.length;
  const shown = Math.min(index, count - 1);
  const sample = shadow.samples[shown];
  if (!sample) return null;
  const format = (text: string) => stringifyExact(parseExact(text), 1);
  const { before, after } = compareLines(
    prettyLines(sample.stable, format),
    prettyLines(sample.candidate, format),
  );
  return (
    <>
      <div className="sub-head tight">
        <h3>
          Sample {shown + 1} of {count}
        </h3>
        <span className="small faint">
          {sample.event}, <code>{sample.path}</code>
        </span>
        <span className="right">
          <button
            type="button"
            className="btn plain"
            aria-label="Sample before"
            disabled={shown === 0}
            onClick={() => setIndex(shown - 1)}
          >
            <Icon name="left" />
          </button>
          <button
            type="button"
            className="btn plain"
            aria-label="Next sample"
            disabled={shown === count - 1}
            onClick={() => setIndex(shown + 1)}
          >
            <Icon name="right" />
          </button>
        </span>
      </div>
      <div className="diff inset">
        <figure>
          <figcaption>stable, {functionName(own)}</figcaption>
          <Lines lines={before} sign="−" changed="del" />
        </figure>
        <figure>
          <figcaption>candidate, {functionName(shadow.run)}</figcaption>
          <Lines lines={after} sign="+" changed="ins" />
        </figure>
      </div>
    </>
  );
}

function Lines({ lines, sign, changed }: { lines: Line[]; sign: string; changed: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by the keyboard
    <pre className="lines" tabIndex={0}>
      {lines.map((line) => (
        <span key={line.number} className={line.changed ? changed : undefined}>
          <i>{line.number}</i>
          <i>{line.changed ? sign : " "}</i> {line.text}
        </span>
      ))}
    </pre>
  );
}

function Part({ className, share }: { className: string; share: number }) {
  return share > 0 ? <i className={className} style={{ flex: `${share} 0 2px` }} /> : null;
}

function rest(shadow: Shadow): string {
  const parts = [
    shadow.skipped > 0 && `${formatCount(shadow.skipped)} skipped, too many were waiting`,
    shadow.lost > 0 && `${formatCount(shadow.lost)} lost`,
    shadow.waiting > 0 && `${formatCount(shadow.waiting)} wait`,
  ].filter(Boolean);
  return parts.length > 0 ? ` ${parts.join(", ")}.` : "";
}

function chance(shadow: Shadow): string {
  if (shadow.repeated === 0 || shadow.differing_by_chance === null) return "";
  return `Stable, called again ${formatCount(shadow.repeated)} times, would differ from itself in ${formatCount(Math.round(shadow.differing_by_chance))}.`;
}

function timesText(shadow: Shadow): string {
  const parts = [
    shadow.candidate_times && `candidate ${callTime(shadow.candidate_times.mean)}`,
    shadow.stable_times && `stable ${callTime(shadow.stable_times.mean)}`,
  ].filter(Boolean);
  return parts.join(", ");
}

/** `9.8 µs`, `1.2 ms`. */
function callTime(seconds: number): string {
  const [value, unit] = seconds < 0.001 ? [1e6 * seconds, "µs"] : [1000 * seconds, "ms"];
  return `${value < 99.5 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}
