/** When has each stage settled how much of a run? */

import { useLayoutEffect, useRef, useState } from "react";
import { usePreferences } from "@/preferences/preferences";
import { formatRate, formatTime } from "@/ui/format";
import { ErrorNote } from "@/ui/PageStates";
import { states } from "@/ui/State";
import { stateOfWait } from "./balance/BalancePicture";
import type { RunBalance, StageWait, Timeline } from "./model";
import { LEFT, type TimelineShape, timelineShape } from "./timelineShape";

interface TimelineSectionProps {
  run: RunBalance;
  waits: readonly StageWait[];
  timeline: Timeline | undefined;
  error: unknown;
  onRetry(): void;
}

export function TimelineSection({ run, waits, timeline, error, onRetry }: TimelineSectionProps) {
  return (
    <section className="sect wide-only">
      <div className="sect-head">
        <h2>Timeline</h2>
        <p className="note">
          events settled a second, by stage, each on its own scale
          {timeline &&
            !timeline.complete &&
            "; the beginning is gone by retention, or was too long to read"}
        </p>
      </div>
      {error !== null && error !== undefined && !timeline && (
        <ErrorNote error={error} what="The timeline" onRetry={onRetry} />
      )}
      {timeline && <TimelinePicture run={run} waits={waits} timeline={timeline} />}
    </section>
  );
}

function TimelinePicture({
  run,
  waits,
  timeline,
}: {
  run: RunBalance;
  waits: readonly StageWait[];
  timeline: Timeline;
}) {
  const { zone } = usePreferences();
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(1392);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setWidth(Math.max(640, Math.floor(entry.contentRect.width)));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const now = run.closed ?? run.as_of;
  // What was settled after the run had ended stands right of its end.
  const last = Math.max(now, run.last, timeline.start + timeline.width);
  const shape = timelineShape(
    timeline,
    run.stages.map((stage) => stage.name),
    last,
    width,
  );
  const expected = run.expected_until;
  // Where "now" and "expected end" stand, a time would be written over.
  const taken = [now, ...(expected !== null && expected < last ? [expected] : [])].map(shape.xOf);
  return (
    <div className="draw" ref={box}>
      <svg
        className="pic"
        viewBox={`0 0 ${shape.width} ${shape.height + 4}`}
        width={shape.width}
        height={shape.height + 4}
        role="img"
        aria-label="Events settled a second by each stage since the run was opened"
      >
        {shape.areas.map((area) => (
          <WaitWash
            key={area.stage}
            wait={waitAt(waits, area.stage)}
            base={area.base}
            shape={shape}
            now={last}
          />
        ))}
        {shape.ticks.map(({ at, x }) => (
          <g key={at}>
            <path className="hair" d={`M${x} 18V${shape.height}`} />
            {x + 60 <= shape.width && !taken.some((other) => x + 60 > other - 84 && x < other) && (
              <text className="dim" x={x + 4} y="12">
                {formatTime(at, zone)}
              </text>
            )}
          </g>
        ))}
        {shape.areas.map((area) => (
          <g key={area.stage}>
            <path className="hair" d={`M0 ${area.base + 0.5}H${shape.width}`} />
            <text className="name f12" x="0" y={area.base - 7}>
              {area.stage}
            </text>
            <path className="flow" d={area.path}>
              <title>
                {area.stage}: at most {formatRate(area.peak)}
              </title>
            </path>
            <WaitWords wait={waitAt(waits, area.stage)} base={area.base} shape={shape} now={last} />
            <text className="dim end" x={112} y={area.base - 7}>
              {area.peak > 0 ? formatRate(area.peak) : ""}
            </text>
          </g>
        ))}
        {expected !== null && expected > timeline.start && expected < last && (
          <>
            <path
              className={run.late ? "s-late" : "s-ink"}
              strokeDasharray="2 2"
              d={`M${shape.xOf(expected)} 18V${shape.height}`}
            />
            <text
              className={run.late ? "t-late w6 end halo" : "w6 end halo"}
              x={shape.xOf(expected) - 4}
              y="12"
            >
              expected end
            </text>
          </>
        )}
        <path className="s-ink" d={`M${shape.xOf(now)} 18V${shape.height}`} />
        <text className="w6 end ink halo" x={shape.xOf(now) - 4} y="12">
          {run.closed === null ? "now" : "closed"}
        </text>
      </svg>
    </div>
  );
}

function waitAt(waits: readonly StageWait[], stage: string): StageWait | undefined {
  return waits.find((wait) => wait.stage === stage && wait.kind !== "parked");
}

interface WaitProps {
  wait: StageWait | undefined;
  base: number;
  shape: TimelineShape;
  now: number;
}

function WaitWash({ wait, base, shape, now }: WaitProps) {
  const x = waitX(wait, shape, now);
  if (!wait || x === undefined) return null;
  const tone = states[stateOfWait(wait)].tone;
  return (
    <rect x={x} y={base - 27} width={shape.xOf(now) - x} height="27" fill={`var(--${tone}-wash)`} />
  );
}

function WaitWords({ wait, base, shape, now }: WaitProps) {
  const x = waitX(wait, shape, now);
  if (!wait || x === undefined) return null;
  const { tone, word } = states[stateOfWait(wait)];
  const room = Math.floor((shape.width - x - 24) / 6.2);
  const words = `${word}: ${wait.text}`;
  return (
    <>
      <path className={`s-${tone}`} strokeWidth="1.5" d={`M${x} ${base - 27}V${base}`} />
      <text className={`t-${tone} w6 halo`} x={x + 8} y={base - 14}>
        {words.length > room ? `${words.slice(0, Math.max(1, room - 1))}…` : words}
      </text>
    </>
  );
}

/** Where waiting begins; undefined where there is nothing to see. */
function waitX(wait: StageWait | undefined, shape: TimelineShape, now: number): number | undefined {
  if (!wait || wait.since === null) return undefined;
  const x = Math.max(shape.xOf(wait.since), LEFT);
  return x < shape.xOf(now) - 40 ? x : undefined;
}
