/** What became of the planned times of a week, and what is planned, in one line? */

import type { ReactNode } from "react";
import { formatBoth } from "@/ui/format";
import type { Days, ScheduleState } from "./queries";
import { pausedSpan, type Range, type Shape, scale, shapes, stripText } from "./week";

/** The days' names above all strips. */
export function WeekHead({ range, width }: { range: Range; width: number }) {
  const place = scale(range, width);
  return (
    <svg
      className="pic week"
      viewBox={`0 0 ${width} 18`}
      style={{ width }}
      height={18}
      aria-hidden="true"
    >
      {range.ticks.map(({ at, word, now }) => (
        <text key={at} className={now ? "ink w6" : "dim"} x={place(at) + 4} y={13}>
          {word}
        </text>
      ))}
    </svg>
  );
}

interface WeekStripProps {
  range: Range;
  width: number;
  days: Days | undefined;
  paused: ScheduleState["paused"];
  now: number;
  /** Names of days in the strip itself, where there is no head. */
  named: boolean;
}

/** A solid bar fired, a hollow one is planned, dots are paused; now is one line through all rows. */
export function WeekStrip({ range, width, days, paused, now, named }: WeekStripProps) {
  const place = scale(range, width);
  const span = pausedSpan(paused, range, now);
  return (
    <svg
      className="pic week"
      viewBox={`0 0 ${width} 44`}
      style={{ width }}
      height={44}
      role="img"
      aria-label={stripText(days, span !== undefined)}
    >
      {range.ticks.map(({ at }) => (
        <path key={at} className="hair" d={`M${place(at) + 0.5} 0V44`} />
      ))}
      {named &&
        range.ticks.map(({ at, short, now: isNow }) => (
          <text key={at} className={isNow ? "ink w6" : "dim"} x={place(at) + 4} y={10}>
            {short}
          </text>
        ))}
      {days?.bands.map((band) => (
        <Band key={band.start + band.state} band={band} place={place} />
      ))}
      {shapes(days?.marks ?? [], place).map((shape) => (
        <MarkShape key={shape.mark.planned + shape.mark.state + (shape.mark.at ?? "")} {...shape} />
      ))}
      {span && <Pause {...span} place={place} />}
      {now >= range.start && now < range.end && (
        <path className="s-ink" d={`M${place(now)} 0V44`} />
      )}
    </svg>
  );
}

function MarkShape(shape: Shape): ReactNode {
  const { mark, x } = shape;
  const title = <title>{markText(mark)}</title>;
  if (shape.kind === "plan")
    return (
      <rect className="plan-mark" x={x - 1.5} y={14.5} width={3} height={15}>
        {title}
      </rect>
    );
  if (shape.kind === "icon")
    return (
      <g>
        {title}
        <use
          className={shape.tone}
          href={`#i-${shape.icon}`}
          x={x - shape.size / 2}
          y={22 - shape.size / 2}
          width={shape.size}
          height={shape.size}
        />
      </g>
    );
  return (
    <g>
      {title}
      {shape.from !== undefined && (
        <path className="s-quiet" d={`M${shape.from} 22H${x - 1.5}`} strokeDasharray="2 2" />
      )}
      <rect className="bar" x={x - 1.5} y={14} width={3} height={16} />
    </g>
  );
}

const BAND_CLASSES: Partial<Record<Days["bands"][number]["state"], string>> = {
  planned: "plan-mark",
  missed: "f-late",
  failed: "f-dead",
  overdue: "f-late",
};
const FIRED = new Set(["fired", "late", "again", "running"]);

function Band({ band, place }: { band: Days["bands"][number]; place: (at: number) => number }) {
  const from = place(Date.parse(band.start));
  const width = Math.max(1.5, place(Date.parse(band.end)) - from);
  const name = BAND_CLASSES[band.state] ?? (FIRED.has(band.state) ? "flow" : undefined);
  const count = band.count === null ? "" : `${band.count} `;
  return (
    <rect
      {...(name ? { className: name } : { fill: "url(#stripe)" })}
      x={from}
      y={16}
      width={width}
      height={12}
    >
      <title>{`${count}${band.state}`}</title>
    </rect>
  );
}

function Pause({
  from,
  to,
  gate,
  place,
}: {
  from: number;
  to: number;
  gate: boolean;
  place: (at: number) => number;
}) {
  const x = place(from);
  const begin = gate ? x + 5 : x;
  return (
    <>
      {gate && <rect className="ground" x={x - 1.5} y={15} width={6} height={14} />}
      <rect
        fill="url(#dots)"
        x={begin}
        y={16}
        width={Math.max(0, place(to) - begin)}
        height={12}
        opacity=".75"
      >
        <title>{`paused since ${formatBoth(from)}: nothing fires`}</title>
      </rect>
      {gate && (
        <path className="s-wait" d={`M${x} 12v20M${x + 3.5} 12v20`} strokeWidth="1.5" fill="none" />
      )}
    </>
  );
}

function markText(mark: Days["marks"][number]): string {
  const words =
    mark.state === "late" ? "fired late" : mark.state === "again" ? "fired again" : mark.state;
  const at = mark.at ? `\nat ${formatBoth(Date.parse(mark.at))}` : "";
  const why = mark.why ? `\n${mark.why}` : "";
  return `${words}: ${formatBoth(Date.parse(mark.planned))}${at}${why}`;
}
