/** How is what needs somebody shown, and where does it lead? */

import { formatCount } from "@/ui/format";
import type { StateName } from "@/ui/State";
import type { Trouble } from "./needs";
import type { AttentionItem } from "./views";

const stateOf: Record<string, StateName> = {
  lost: "failed",
  waiting: "waiting",
  unworked: "unworked",
  late: "late",
  overdue: "overdue",
  failed: "failed",
  dead: "dead",
  draining: "draining",
  "file refused": "refused",
  "changes wait": "waiting",
  "rows parked": "parked",
  "gate failed": "waiting",
  "check failed": "failed",
  unusual: "anomaly",
};

/** One line of the strip. */
export function troubleOf(item: AttentionItem): Trouble {
  const words =
    item.what === "dead" && item.count !== null ? `${formatCount(item.count)} dead` : item.what;
  return {
    key: item.key,
    state: stateOf[item.what] ?? "warned",
    name: item.event || item.stage || item.schedule || item.run || item.pipeline || "Kafka",
    words,
    reason: item.acknowledged_by ? `${item.acknowledged_by} has it in hand; ${item.why}` : item.why,
    since: item.since ?? undefined,
    note: item.since === null ? "" : undefined,
    to: addressOf(item),
  };
}

function addressOf({ page, pipeline, stage, run, schedule, event }: AttentionItem): string {
  const query = (values: Record<string, string>) => {
    const written = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
    return written.size > 0 ? `?${written}` : "";
  };
  switch (page) {
    case "graph":
      return pipeline ? `/pipelines/${encodeURIComponent(pipeline)}${query({ stage })}` : "/";
    case "editor":
      return `/pipelines/${encodeURIComponent(pipeline)}/editor`;
    case "run":
      return `/runs/${encodeURIComponent(run)}`;
    case "runs":
      return `/runs${query({ pipeline })}`;
    case "dead-letters":
      return `/dead-letters${query({ pipeline, stage })}`;
    case "incidents":
      return `/incidents${query({ pipeline, stage })}`;
    case "schedules":
      return `/schedules${query({ pipeline, name: schedule })}`;
    case "quality":
      return `/quality${query({ pipeline, event: event ?? "" })}`;
    case "parked":
      return `/parked${query({ pipeline, stage })}`;
    case "control":
      return `/control${query({ pipeline })}`;
  }
}
