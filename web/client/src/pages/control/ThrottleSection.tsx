/** How does a stage stand under its rate, and which lane has which share of it? */

import { useEffect, useState } from "react";
import { Count, Duration, Rate } from "@/ui/figures";
import { formatCount, formatRate } from "@/ui/format";
import { Moment } from "@/ui/Moment";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { useNarrow } from "@/ui/useNarrow";
import { WriteButton } from "@/ui/WriteButton";
import { EndDialog } from "./EndDialog";
import { type ControlRow, type Figures, type Rates, useFigures, useReports } from "./queries";
import { type RateSample, ratePath, rateScale, rateX, rateY, withSample } from "./rates";
import { ThrottleDialog } from "./ThrottleDialog";

/** The admitted rate under its limit, and the lanes. */
export function ThrottleSection({ row }: { row: ControlRow }) {
  const reports = useReports({ pipeline: row.pipeline, stage: row.target });
  const [dialog, setDialog] = useState<"end" | "change">();
  const rates = reports.data?.throttle ?? undefined;
  const samples = useSamples(row.pipeline, row.target);
  const current = samples.at(-1)?.perSecond;
  return (
    <>
      <section
        className="half"
        id={`throttle-${row.target}`}
        aria-label={`Throttle of ${row.target}`}
      >
        <header className="sub-head">
          <h2>
            {row.target}, {row.value}
          </h2>
          <span className="small soft">{rates && roomText(rates, row.done.waiting, current)}</span>
          <span className="right">
            <WriteButton onClick={() => setDialog("change")}>Change…</WriteButton>
            {row.by_file === null && (
              <WriteButton onClick={() => setDialog("end")}>End…</WriteButton>
            )}
          </span>
        </header>
        {reports.isPending && <Loading rows={4} />}
        {reports.isError && !reports.data && (
          <ErrorNote
            error={reports.error}
            what={`The rates of ${row.target}`}
            onRetry={() => void reports.refetch()}
          />
        )}
        {rates && <RateLine rates={rates} samples={samples} name={row.target} />}
        {rates && (
          <p className="axis">
            events settled a second, all lanes, against what is allowed; since the page was opened
          </p>
        )}
        {dialog === "end" && <EndDialog row={row} onClose={() => setDialog(undefined)} />}
        {dialog === "change" && (
          <ThrottleDialog
            pipeline={row.pipeline}
            initial={{ kind: "stage", target: row.target }}
            onClose={() => setDialog(undefined)}
          />
        )}
      </section>
      {rates && <Lanes rates={rates} name={row.target} />}
    </>
  );
}

/** The rate of a stage, sampled while the page is open. */
function useSamples(pipeline: string, stage: string): RateSample[] {
  const figures = useFigures(pipeline);
  const [samples, setSamples] = useState<RateSample[]>([]);
  const at = figures.dataUpdatedAt;
  const perSecond = settledRate(figures.data, stage);
  useEffect(() => {
    if (perSecond !== undefined) setSamples((before) => withSample(before, { at, perSecond }));
  }, [at, perSecond]);
  return samples;
}

/** What a stage settles a second, over all that it reads; undefined while it is not known. */
export function settledRate(figures: Figures | undefined, stage: string): number | undefined {
  const rates = Object.entries(figures?.edges ?? {})
    .filter(([name]) => name.endsWith(`>${stage}`))
    .map(([, edge]) => edge.rate_out);
  if (rates.length === 0 || rates.every((rate) => rate === null || rate === undefined))
    return undefined;
  return rates.reduce<number>((sum, rate) => sum + (rate ?? 0), 0);
}

/** `waiting`: as the table above has it, read at another moment than the lanes. */
function roomText(
  rates: Rates,
  waiting: number | null | undefined,
  current: number | undefined,
): string {
  if (waiting) return `it bites: ${formatCount(waiting)} wait for it`;
  if (rates.held.since) return "it bites";
  if (rates.per_second === null || current === undefined) return "nothing waits for it";
  return `not reached: room for ${formatRate(Math.max(0, rates.per_second - current))}`;
}

function RateLine({
  rates,
  samples,
  name,
}: {
  rates: Rates;
  samples: readonly RateSample[];
  name: string;
}) {
  const narrow = useNarrow();
  const width = narrow ? 358 : 640;
  const box = { left: narrow ? 44 : 52, right: narrow ? 350 : 554, top: 10, bottom: 126 };
  const limit = rates.per_second;
  const most = Math.max(limit ?? 0, ...samples.map(({ perSecond }) => perSecond));
  const { end, half } = rateScale(most);
  const line = ratePath(samples, end, box);
  const current = samples.at(-1);
  const from = samples[0]?.at ?? 0;
  const y = current ? rateY(current.perSecond, end, box) : box.bottom;
  const limitY = limit === null ? undefined : rateY(limit, end, box);
  const since = rates.since ? Date.parse(rates.since) : undefined;
  const set =
    since !== undefined && current && since > from ? rateX(since, from, current.at, box) : box.left;
  const share = limit && current ? `${((100 * current.perSecond) / limit).toFixed(1)} % of it` : "";
  return (
    <div className="draw">
      <svg
        className="pic evid"
        viewBox={`0 0 ${width} 150`}
        height={150}
        role="img"
        aria-label={`${name}: ${current ? formatRate(current.perSecond) : "no rate yet"}${limit === null ? "" : `, ${formatRate(limit)} allowed`}`}
      >
        <path
          className="hair"
          d={`M${box.left} ${box.bottom + 0.5}H${box.right}M${box.left} ${rateY(half, end, box)}H${box.right}`}
        />
        {samples.length > 1 && (
          <>
            <path className="flow" d={`${line}L${box.right} ${box.bottom}H${box.left}z`} />
            <path className="s-ink" d={line} fill="none" strokeWidth="1.2" />
          </>
        )}
        {limitY !== undefined && limit !== null && (
          <>
            <path className="s-wait" d={`M${set} ${limitY}H${box.right}`} strokeWidth="1.5" />
            {set > box.left && (
              <path
                className="s-wait"
                d={`M${set} ${box.top}V${box.bottom}`}
                strokeDasharray="2 2"
              />
            )}
            <text className="t-wait halo" x={set + 6} y={limitY - 4}>
              <tspan className="w6">{formatRate(limit)}</tspan> allowed
            </text>
          </>
        )}
        <text className="dim end" x={box.left - 8} y={14}>
          {formatCount(end)}
        </text>
        <text className="dim end" x={box.left - 8} y={rateY(half, end, box) + 4}>
          {half < 1 ? half : formatCount(half)}
        </text>
        <text className="dim end" x={box.left - 8} y={130}>
          0
        </text>
        <text className="ink w6 end" x={box.right} y={144}>
          now
        </text>
        {current && !narrow && (
          <>
            <text className="fig" x={box.right + 8} y={Math.min(y + 4, 112)}>
              {formatRate(current.perSecond)}
            </text>
            <text className="dim" x={box.right + 8} y={Math.min(y + 18, 126)}>
              {share}
            </text>
          </>
        )}
        {current && narrow && (
          <text className="fig end halo" x={344} y={Math.min(y + 20, 120)}>
            {formatRate(current.perSecond)}
          </text>
        )}
      </svg>
    </div>
  );
}

function Lanes({ rates, name }: { rates: Rates; name: string }) {
  const lanes = rates.lanes ?? [];
  const most = Math.max(1, ...lanes.map(({ per_second }) => per_second));
  const total = (of: (lane: (typeof lanes)[number]) => number) =>
    lanes.reduce((sum, lane) => sum + of(lane), 0);
  return (
    <section className="half" aria-label={`Lanes of ${name}`}>
      <header className="sub-head">
        <h2>Its lanes</h2>
        <span className="small soft">
          as each has said within the last minute; shares by the backlogs of the epoch before
        </span>
      </header>
      {lanes.length === 0 ? (
        <p className="note-row">
          No lane has said anything within the last minute: no worker runs the stage, or it has
          nothing to do.
        </p>
      ) : (
        <table className="mini versus lanes">
          <thead>
            <tr>
              <th>lane</th>
              <th className="num">unread</th>
              <th className="num">share</th>
              <th className="num">arrives</th>
              <th className="rate">share, and used of it</th>
              <th className="num">waits since</th>
            </tr>
          </thead>
          <tbody>
            {lanes.map((lane) => (
              <tr key={`${lane.stage}/${lane.lane}`}>
                <td>{lane.lane}</td>
                <td className="num">
                  <Count value={lane.waiting} />
                </td>
                <td className="num">
                  <Rate perSecond={lane.per_second} />
                </td>
                <td className="num">
                  <Rate perSecond={lane.arrivals} />
                </td>
                <td className="rate">
                  <i style={{ width: `${(100 * lane.per_second) / most}%` }}>
                    <b style={{ width: used(lane) }} />
                  </i>
                </td>
                <td className="num soft">{lane.since && <Moment at={lane.since} />}</td>
              </tr>
            ))}
            <tr className="total">
              <td>all</td>
              <td className="num">
                <Count value={total(({ waiting }) => waiting)} />
              </td>
              <td className="num">
                <Rate perSecond={total(({ per_second }) => per_second)} />
              </td>
              <td className="num">
                <Rate perSecond={total(({ arrivals }) => arrivals)} />
              </td>
              <td />
              <td />
            </tr>
          </tbody>
        </table>
      )}
      {rates.held.since && (
        <p className="note-row">
          <b className="tone-wait">The first waits</b> since <Moment at={rates.held.since} /> (
          <Duration ms={Date.now() - Date.parse(rates.held.since)} />
          ).
        </p>
      )}
    </section>
  );
}

/** How much of its share a lane uses: all of it while something waits, else what arrives. */
export function used(lane: { per_second: number; arrivals: number; waiting: number }): string {
  if (lane.per_second <= 0) return "0%";
  if (lane.waiting > 0) return "100%";
  return `${Math.min(100, (100 * lane.arrivals) / lane.per_second)}%`;
}
