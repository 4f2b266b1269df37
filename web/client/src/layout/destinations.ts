/** Which places match a few letters? */

import type { NavigationEntry } from "@/navigation/pages";
import { formatSearch } from "@/navigation/search";
import type { IconName } from "@/ui/Icon";

export interface Destination {
  key: string;
  label: string;
  /** `page`, `stage of order-lines` */
  kind: string;
  icon: IconName;
  /** Below the base. */
  address: string;
}

interface PipelineNames {
  pipeline: string;
  stages: readonly string[];
  events: readonly string[];
  schedules?: readonly string[];
}

const MOST = 40;
const RUN_ID = /^[a-z2-7]{10,}$/;
const PLACE = /^(\S+)[/ :](\d+)[/ :@](\d+)$/;

/** Places whose name has the letters in their order, the closest first; ids are taken as they are. */
export function findDestinations(
  text: string,
  pages: readonly NavigationEntry[],
  pipelines: readonly PipelineNames[],
  pipeline: string | undefined,
): Destination[] {
  const wanted = text.trim();
  const known = [
    ...pages.map((entry) => ofPage(entry, pipeline)),
    ...pipelines.flatMap(ofPipeline),
  ];
  const scored = known
    .map((destination) => ({ destination, score: closeness(wanted, destination.label) }))
    .filter(({ score }) => score > 0)
    .sort((one, other) => other.score - one.score)
    .map(({ destination }) => destination);
  return [...ofId(wanted), ...scored].slice(0, MOST);
}

/** 0: the letters do not stand in `name` in this order; the more, the closer. */
export function closeness(letters: string, name: string): number {
  if (letters === "") return 1;
  const wanted = letters.toLowerCase();
  const given = name.toLowerCase();
  const found = given.indexOf(wanted);
  if (found === 0) return 4;
  if (found > 0) return /[\s.\-_/]/.test(given[found - 1] ?? "") ? 3 : 2;
  let next = 0;
  for (const letter of given) if (letter === wanted[next]) next += 1;
  return next === wanted.length ? 1 : 0;
}

function ofPage(entry: NavigationEntry, pipeline: string | undefined): Destination {
  const address =
    entry.to === "/pipelines/$pipeline/editor"
      ? pipeline === undefined
        ? "/editor"
        : `/pipelines/${encodeURIComponent(pipeline)}/editor`
      : entry.to;
  return { key: entry.to, label: entry.label, kind: "page", icon: entry.icon, address };
}

function ofPipeline({ pipeline, stages, events, schedules = [] }: PipelineNames): Destination[] {
  const graph = `/pipelines/${encodeURIComponent(pipeline)}`;
  return [
    { key: graph, label: pipeline, kind: "pipeline", icon: "graph", address: graph },
    ...stages.map((stage) => ({
      key: `${graph}#stage/${stage}`,
      label: stage,
      kind: `stage of ${pipeline}`,
      icon: "planned" as const,
      address: `${graph}?stage=${encodeURIComponent(stage)}`,
    })),
    ...events.map((event) => ({
      key: `${graph}#event/${event}`,
      label: event,
      kind: `event of ${pipeline}`,
      icon: "flight" as const,
      address: `${graph}?event=${encodeURIComponent(event)}`,
    })),
    ...schedules.map((schedule) => ({
      key: `${graph}#schedule/${schedule}`,
      label: schedule,
      kind: `schedule of ${pipeline}`,
      icon: "late" as const,
      address: `/schedules${formatSearch({ pipeline, name: schedule })}`,
    })),
    ...stages.map((stage) => ({
      key: `${graph}#control/${stage}`,
      label: `control of ${stage}`,
      kind: `switches of ${pipeline}`,
      icon: "throttled" as const,
      address: `/control${formatSearch({ pipeline, stage })}`,
    })),
  ];
}

/** A run's id, an event's id, or topic/partition/offset. */
function ofId(text: string): Destination[] {
  const place = PLACE.exec(text);
  if (place) {
    const [, topic = "", partition, offset] = place;
    const address = `/events/${encodeURIComponent(topic)}/${partition}/${offset}`;
    return [{ key: "place", label: text, kind: "event", icon: "flight", address }];
  }
  if (/^[0-9a-f-]{32,36}$|^[\w-]+[:/][\w:/.-]+$/.test(text)) return [traceOf(text)];
  if (RUN_ID.test(text))
    return [
      { key: "run", label: text, kind: "run", icon: "list", address: `/runs/${text}` },
      traceOf(text),
    ];
  return [];
}

function traceOf(id: string): Destination {
  const address = `/trace/${encodeURIComponent(id)}`;
  return { key: "trace", label: id, kind: "trace of an event", icon: "trace", address };
}
