/** How does a figure look: a count, a rate, a share, a duration, an age? */

import { useNow } from "@/preferences/clock";
import { classes } from "./classes";
import {
  epochMs,
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  formatShare,
} from "./format";
import type { Tone } from "./State";

interface Figure {
  tone?: Tone | undefined;
  strong?: boolean | undefined;
}

/** An exact count; a zero is faint, an unknown (null, undefined) is left empty. */
export function Count({
  value,
  tone,
  strong,
  unit,
}: Figure & { value: number | bigint | null | undefined; unit?: string }) {
  if (value === null || value === undefined) return null;
  const zero = Number(value) === 0;
  return (
    <span
      className={classes("figure", zero ? "zero" : toneClass(tone), strong && !zero && "strong")}
    >
      {formatCount(value)}
      {unit && <span className="unit"> {unit}</span>}
    </span>
  );
}

/** A rate a second; unknown is left empty. */
export function Rate({
  perSecond,
  tone,
  strong,
}: Figure & { perSecond: number | null | undefined }) {
  if (perSecond === null || perSecond === undefined) return null;
  return (
    <span
      className={classes("figure", perSecond === 0 ? "zero" : toneClass(tone), strong && "strong")}
    >
      {formatRate(perSecond)}
    </span>
  );
}

/** A part of a whole: `0.39 %`, with its count in the tooltip. */
export function Share({ part, whole }: { part: number; whole: number }) {
  return (
    <span className="figure" title={`${formatCount(part)} of ${formatCount(whole)}`}>
      {formatShare(part, whole)}
    </span>
  );
}

/** Bytes in binary units, the exact count in the tooltip. */
export function Bytes({ value }: { value: number }) {
  return (
    <span className="figure" title={`${formatCount(value)} B`}>
      {formatBytes(value)}
    </span>
  );
}

/** How long something took, in milliseconds; `exact`: one decimal below a minute. */
export function Duration({
  ms,
  exact = false,
  tone,
  strong,
}: Figure & { ms: number | null | undefined; exact?: boolean }) {
  if (ms === null || ms === undefined) return null;
  return (
    <span
      className={classes("figure", toneClass(tone), strong && "strong")}
      title={`${formatCount(Math.round(ms))} ms`}
    >
      {formatDuration(ms, exact)}
    </span>
  );
}

/** How long ago a moment is (ms of the epoch or ISO text); it grows by itself. */
export function Age({
  since,
  tone,
  strong,
}: Figure & { since: number | string | null | undefined }) {
  const now = useNow();
  if (since === null || since === undefined) return null;
  return <Duration ms={Math.max(0, now - epochMs(since))} tone={tone} strong={strong} />;
}

/** How long until a moment; 0 once it has passed. */
export function Until({ at }: { at: number | string }) {
  const now = useNow();
  return <Duration ms={Math.max(0, epochMs(at) - now)} />;
}

function toneClass(tone: Tone | undefined): string | undefined {
  return tone && `tone-${tone}`;
}
