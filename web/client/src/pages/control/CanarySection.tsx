/** What has a canary shown so far? */

import { useState } from "react";
import { Count } from "@/ui/figures";
import { formatShare } from "@/ui/format";
import { ErrorNote, Loading, sentence } from "@/ui/PageStates";
import { State } from "@/ui/State";
import { WriteButton } from "@/ui/WriteButton";
import { EndDialog } from "./EndDialog";
import { EvidenceLine, milliseconds } from "./EvidenceLine";
import { factorText, withNewest } from "./evidence";
import {
  type Canary,
  type ControlRow,
  type EvidencePoint,
  useEvidence,
  useReports,
} from "./queries";
import { SwitchDialog } from "./SwitchDialog";

/** The line of evidence, and the figures beside it, stable first. */
export function CanarySection({ row }: { row: ControlRow }) {
  const reports = useReports({ pipeline: row.pipeline, stage: row.target });
  const canary = reports.data?.canary ?? undefined;
  const [dialog, setDialog] = useState<"end" | "change">();
  return (
    <section className="half" id={`canary-${row.target}`} aria-label={`Canary of ${row.target}`}>
      <header className="sub-head">
        <h2>
          {row.target}, canary {shareText(row.share)}
        </h2>
        <span className="small soft">by key: who is in stays in</span>
        <span className="right">
          <WriteButton onClick={() => setDialog("change")}>Change share…</WriteButton>
          <WriteButton kind="danger" onClick={() => setDialog("end")}>
            End canary…
          </WriteButton>
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
      {canary && <Figures row={row} canary={canary} own={reports.data?.run ?? ""} />}
      {dialog === "end" && <EndDialog row={row} onClose={() => setDialog(undefined)} />}
      {dialog === "change" && (
        <SwitchDialog
          pipeline={row.pipeline}
          initial={{ stage: row.target, mode: "canary", run: row.value }}
          onClose={() => setDialog(undefined)}
        />
      )}
    </section>
  );
}

function Figures({ row, canary, own }: { row: ControlRow; canary: Canary; own: string }) {
  const evidence = useEvidence({ pipeline: row.pipeline, stage: row.target }, canary.generation);
  const { candidate, stable } = canary;
  const points = withNewest(evidence.data ?? [], newestPoint(canary));
  const decided = canary.ended !== null;
  return (
    <>
      <p className="lead">
        <Verdict canary={canary} />
        <span className="soft">
          {decided
            ? sentence(canary.ended ?? "")
            : canary.evidence === null
              ? "Nothing is decided before both functions were observed."
              : `Together ${factorText(canary.evidence)}; at ${factorText(canary.ends_at)} the bookkeeper ends it.`}
        </span>
      </p>
      <EvidenceLine canary={canary} points={points} />
      <p className="axis">
        first attempts of the candidate, one for each key and run; ticks are its failures. A
        sequential test that may be looked at at any time: a candidate that is no worse is ended
        with a probability of at most 1 %.
      </p>
      <div className="scroll-x">
        <table className="mini versus">
          <thead>
            <tr>
              <th />
              <th className="num">
                stable
                <br />
                <code>{functionName(own)}</code>
              </th>
              <th className="num">
                candidate
                <br />
                <code>{functionName(canary.run)}</code>
              </th>
              <th className="num">difference</th>
              <th className="num">evidence</th>
              <th className="wide-only">so far</th>
            </tr>
          </thead>
          <tbody>
            <tr>
              <td>first attempts</td>
              <td className="num">
                <Count value={stable.observations} />
              </td>
              <td className="num">
                <Count value={candidate.observations} />
              </td>
              <td className="num soft">
                {formatShare(candidate.observations, candidate.observations + stable.observations)}
                <span className="wide-only"> of all</span>
              </td>
              <td />
              <td className="wide-only" />
            </tr>
            <tr>
              <td>failed</td>
              <td className="num">
                <Count value={stable.failed} />
              </td>
              <td className="num">
                <Count value={candidate.failed} strong />
              </td>
              <td className="num">
                {stable.observations > 0 && candidate.observations > 0 && (
                  <>
                    {formatShare(stable.failed, stable.observations).replace(" %", "")} →{" "}
                    <b>{formatShare(candidate.failed, candidate.observations)}</b>
                  </>
                )}
              </td>
              <td className="num">
                {canary.evidence_of_failures !== null && (
                  <b>{factorText(canary.evidence_of_failures)}</b>
                )}
              </td>
              <td className="wide-only">{leaning(canary.evidence_of_failures)}</td>
            </tr>
            {candidate.timed > 0 && (
              <>
                <TimeRow
                  name="half take up to"
                  stable={stable.p50}
                  candidate={candidate.p50}
                  evidence={canary.evidence_of_times}
                />
                <TimeRow name="95 % take up to" stable={stable.p95} candidate={candidate.p95} />
              </>
            )}
          </tbody>
        </table>
      </div>
    </>
  );
}

function TimeRow({
  name,
  stable,
  candidate,
  evidence,
}: {
  name: string;
  stable: number | null;
  candidate: number | null;
  evidence?: number | null;
}) {
  const difference = stable !== null && candidate !== null ? candidate - stable : undefined;
  return (
    <tr>
      <td>{name}</td>
      <td className="num">{stable !== null && `${milliseconds(stable)} ms`}</td>
      <td className="num">{candidate !== null && `${milliseconds(candidate)} ms`}</td>
      <td className="num">
        {difference !== undefined &&
          difference !== 0 &&
          `${difference > 0 ? "+" : "−"}${milliseconds(Math.abs(difference))} ms`}
      </td>
      <td className="num">{evidence !== undefined && evidence !== null && factorText(evidence)}</td>
      <td className="wide-only">{evidence !== undefined && leaning(evidence)}</td>
    </tr>
  );
}

function Verdict({ canary }: { canary: Canary }) {
  if (canary.ended !== null) return <State of="refused">worse: ended</State>;
  if (canary.evidence === null) return <State of="canary">no evidence yet</State>;
  if (canary.evidence >= 0.5) return <State of="canary">seems worse, not yet decided</State>;
  return <State of="canary">no worse so far</State>;
}

function leaning(evidence: number | null): string {
  if (evidence === null) return "";
  if (evidence > 0.3) return "leans to worse";
  return evidence < -0.3 ? "leans to no worse" : "";
}

function newestPoint(canary: Canary): EvidencePoint | undefined {
  const { evidence, evidence_of_failures, evidence_of_times, candidate, stable } = canary;
  if (evidence === null || evidence_of_failures === null || evidence_of_times === null)
    return undefined;
  return {
    at: canary.observed_at ?? "",
    candidate: candidate.observations,
    failed: candidate.failed,
    stable: stable.observations,
    evidence,
    evidence_of_failures,
    evidence_of_times,
  };
}

/** `10 %` of 0.1; empty for all. */
export function shareText(share: number | null | undefined): string {
  return share === null || share === undefined ? "" : `${Number((100 * share).toFixed(2))} %`;
}

/** `price2` of `stages.order_lines.price2:price`, where the module says more than the function. */
export function functionName(run: string): string {
  const [module = "", name = ""] = run.split(":");
  const last = module.split(".").at(-1) ?? "";
  return last === name || !name ? last : `${last}:${name}`;
}
