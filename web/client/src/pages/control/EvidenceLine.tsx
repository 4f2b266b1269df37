/** Does the candidate of a canary get worse? A line of evidence on a log scale under its bound. */

import { formatCount } from "@/ui/format";
import { useNarrow } from "@/ui/useNarrow";
import {
  attemptScale,
  attemptX,
  BOTTOM,
  evidencePath,
  evidenceY,
  factorText,
  failureMarks,
  labelPlaces,
  NARROW,
  TOP,
  WIDE,
} from "./evidence";
import type { Canary, EvidencePoint } from "./queries";

const DECADES: readonly [number, string][] = [
  [2, "×100"],
  [1, "×10"],
  [0, "1"],
  [-1, "1/10"],
  [-2, "1/100"],
];

/** The evidence of failures (solid) and of times (dashed); the bound says what happens at it. */
export function EvidenceLine({
  canary,
  points,
}: {
  canary: Canary;
  points: readonly EvidencePoint[];
}) {
  const narrow = useNarrow();
  const frame = narrow ? NARROW : WIDE;
  const { left, right, width } = frame;
  const most = Math.max(canary.candidate.observations, points.at(-1)?.candidate ?? 0);
  const { end, ticks } = attemptScale(most, frame);
  const x = attemptX(most, end, frame);
  const failures = canary.evidence_of_failures;
  const times = canary.evidence_of_times;
  const bound = evidenceY(canary.ends_at);
  const timed = canary.candidate.timed > 0;
  const places = labelPlaces(evidenceY(failures ?? 0), timed ? evidenceY(times ?? 0) : BOTTOM);
  return (
    <div className="draw">
      <svg
        className="pic evid"
        viewBox={`0 0 ${width} 208`}
        height={208}
        role="img"
        aria-label={evidenceText(canary)}
      >
        {[1, 0, -1].map((decade) => (
          <path key={decade} className="hair" d={`M${left} ${evidenceY(decade)}H${right}`} />
        ))}
        <rect
          className="zone-dead"
          x={left}
          y={TOP - 14}
          width={right - left}
          height={bound - TOP + 14}
        />
        <rect className="zone-ok" x={left} y={BOTTOM} width={right - left} height={14} />
        <path className="s-dead" d={`M${left} ${bound}H${right}`} strokeDasharray="4 3" />
        <path className="s-ok" d={`M${left} ${BOTTOM}H${right}`} strokeDasharray="4 3" />
        <text className="t-dead w6" x={left + 8} y={TOP - 3}>
          {narrow ? "worse: all go to stable" : "worse: all go to stable, with an alert"}
        </text>
        <text className="t-ok w6" x={left + 8} y={BOTTOM + 10}>
          {narrow ? "no worse so far: it goes on" : "no worse so far: the canary goes on"}
        </text>
        {DECADES.map(([decade, word]) => (
          <text key={word} className="dim end" x={left - 8} y={evidenceY(decade) + 4}>
            {word}
          </text>
        ))}
        {ticks.map((tick) => (
          <text key={tick} className="dim mid" x={attemptX(tick, end, frame)} y={200}>
            {formatCount(tick)}
          </text>
        ))}
        {failureMarks(points).map((attempts) => (
          <path key={attempts} className="s-ink" d={`M${attemptX(attempts, end, frame)} 178v4`} />
        ))}
        {timed && (
          <path
            className="s-quiet"
            d={evidencePath(points, "evidence_of_times", end, frame)}
            fill="none"
            strokeWidth="1.5"
            strokeDasharray="5 2"
          />
        )}
        <path
          className="s-ink"
          d={evidencePath(points, "evidence_of_failures", end, frame)}
          fill="none"
          strokeWidth="1.8"
        />
        {failures !== null && (
          <End
            x={x}
            y={evidenceY(failures)}
            words={places[0]}
            word={`failures ${factorText(failures)}`}
            note={`${formatCount(canary.candidate.failed)} of ${formatCount(canary.candidate.observations)}`}
            at={narrow ? undefined : right + 8}
            edge={right}
            strong
          />
        )}
        {timed && times !== null && (
          <End
            x={x}
            y={evidenceY(times)}
            words={places[1]}
            word={`times ${factorText(times)}`}
            note={timesText(canary)}
            at={narrow ? undefined : right + 8}
            edge={right}
          />
        )}
      </svg>
    </div>
  );
}

interface EndProps {
  x: number;
  y: number;
  /** The y of its words. */
  words: number;
  word: string;
  note: string;
  /** Where its words begin; undefined: inside of the picture, at its edge. */
  at: number | undefined;
  edge: number;
  strong?: boolean;
}

/** The end of a line: a disc and its words. */
function End({ x, y, words, word, note, at, edge, strong = false }: EndProps) {
  return (
    <>
      <circle className={strong ? "bar" : "f-quiet"} cx={x} cy={y} r={3} />
      {at === undefined ? (
        <text className={strong ? "fig end halo" : "end halo"} x={edge} y={words - 8}>
          {word}
        </text>
      ) : (
        <>
          <text className={strong ? "fig" : ""} x={at} y={words}>
            {word}
          </text>
          <text className="dim" x={at} y={words + 14}>
            {note}
          </text>
        </>
      )}
    </>
  );
}

/** The medians of both functions: `11.8 against 13.1 ms`. */
function timesText({ candidate, stable }: Canary): string {
  if (candidate.p50 === null || stable.p50 === null) return "";
  return `${milliseconds(candidate.p50)} against ${milliseconds(stable.p50)} ms`;
}

/** Seconds as milliseconds with two or three digits. */
export function milliseconds(seconds: number): string {
  const ms = 1000 * seconds;
  return ms < 9.95 ? ms.toFixed(1) : String(Math.round(ms));
}

function evidenceText(canary: Canary): string {
  const { evidence_of_failures: failures, evidence_of_times: times } = canary;
  if (failures === null || times === null) return "No evidence yet";
  return `Evidence after ${canary.candidate.observations} first attempts of the candidate: failures ${factorText(failures)}, handling times ${factorText(times)}, the bound is ${factorText(canary.ends_at)}`;
}
