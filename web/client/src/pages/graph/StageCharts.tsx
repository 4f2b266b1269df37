/** How did the throughput and the ages of a stage go in the last ten minutes? */

import { useQuery } from "@tanstack/react-query";
import { get } from "@/api/client";
import { formatDuration, formatRate } from "@/ui/format";
import { lookOf } from "./conditions";
import type { StageFigures } from "./graphData";
import { HistoryChart } from "./HistoryChart";

/** Events settled a second, the age of the oldest, the time that handling took; nothing before
 * something has happened. */
export function StageCharts({
  pipeline,
  stage,
  figures,
}: {
  pipeline: string;
  stage: string;
  figures: StageFigures;
}) {
  const history = useQuery({
    queryKey: ["history", pipeline, stage],
    queryFn: ({ signal }) =>
      get("/api/v1/pipelines/{pipeline}/stages/{stage}/history", {
        path: { pipeline, stage },
        signal,
      }),
    refetchInterval: 5_000,
  });
  const known = history.data;
  if (!known?.settled.some((count) => count > 0)) return null;
  const { tone, stands } = lookOf(figures.condition.code);
  // Where nothing was settled nothing has an age, and nothing took any time.
  const handling = known.handling_seconds.map((seconds, index) => {
    const settled = known.settled[index] ?? 0;
    return settled > 0 ? (1000 * seconds) / settled : undefined;
  });
  const oldest = known.oldest_seconds.map((seconds, index) =>
    known.settled[index] ? seconds : undefined,
  );
  return (
    <section>
      <h3>
        Settled <span className="unit">events a second, 10 min</span>
      </h3>
      <HistoryChart
        label="Events settled a second"
        values={known.settled.map((count) => count / known.seconds)}
        format={formatRate}
        height={64}
      />
      <h3>
        Oldest settled <span className="unit">age</span>
      </h3>
      <HistoryChart
        label="Age of the oldest event when it was settled"
        values={oldest}
        format={(seconds) => formatDuration(seconds * 1000)}
        height={48}
        {...(stands && (tone === "wait" || tone === "late") ? { tone } : {})}
      />
      <h3>
        Handling <span className="unit">of one event</span>
      </h3>
      <HistoryChart
        label="Time that handling one event took"
        values={handling}
        format={shortTime}
        height={48}
      />
    </section>
  );
}

function shortTime(ms: number): string {
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  return ms < 1000 ? `${ms.toFixed(1)} ms` : formatDuration(ms);
}
