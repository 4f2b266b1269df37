/** What passes an edge: its events as they come, filtered by run or by an expression? */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useId, useState } from "react";
import { get } from "@/api/client";
import { fieldsOf, resolve, type Schema, typesOf } from "@/forms/schema";
import { useKeys } from "@/keyboard/keys";
import type { Trouble } from "@/live/needs";
import { formatBytes, formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { JsonView, SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { RunId } from "@/ui/RunId";
import { State } from "@/ui/State";
import { edgeWords } from "./edgeWords";
import type { EdgeFigures, GraphEdge } from "./graphData";
import { Folded } from "./StagePanel";
import { type TailEvent, useTail } from "./useTail";

interface EdgePanelProps {
  pipeline: string;
  version: number;
  edge: GraphEdge;
  figures: EdgeFigures | undefined;
  /** What is wrong with the event's data. */
  trouble: Trouble | undefined;
  run: string | undefined;
  onRun(run: string | undefined): void;
  onClose(): void;
}

export function EdgePanel({
  pipeline,
  version,
  edge,
  figures,
  trouble,
  run,
  onRun,
  onClose,
}: EdgePanelProps) {
  const detail = useQuery({
    queryKey: ["event-type", pipeline, edge.event, version],
    queryFn: ({ signal }) =>
      get("/api/v1/pipelines/{pipeline}/event-types/{event_type}", {
        path: { pipeline, event_type: edge.event },
        signal,
      }),
    staleTime: 60_000,
  });
  const words = edgeWords(figures);
  const known = detail.data;
  return (
    <aside className="side" aria-label={edge.event}>
      <header>
        <div>
          <h2>{edge.event}</h2>
          <p className="small soft">
            {edge.sources.length ? `from ${edge.sources.join(", ")}` : "a root"}
            {edge.target ? ` to ${edge.target}` : ", nobody reads it"}
          </p>
        </div>
        <button type="button" className="btn plain" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      {(words.rate || words.inFlight) && (
        <p className="side-note small">
          {[words.rate, words.inFlight, words.oldest].filter(Boolean).join(", ")}
        </p>
      )}
      {trouble && (
        <p className="side-note small">
          <State of={trouble.state}>{trouble.words}</State> {trouble.reason}{" "}
          <Link
            className="link"
            to="/quality"
            search={{ pipeline, event: edge.event } as Record<string, string>}
          >
            Quality of {edge.event}
          </Link>
        </p>
      )}
      <Tail
        pipeline={pipeline}
        event={edge.event}
        schema={known?.data_schema ?? undefined}
        run={run}
        onRun={onRun}
      />
      <section>
        <h3>Topic</h3>
        <dl className="lines">
          <div>
            <dt>topic</dt>
            <dd className="mono">{known?.topic}</dd>
          </div>
          <div>
            <dt>partitions</dt>
            <dd>{known?.partitions}</dd>
          </div>
          <div>
            <dt>key</dt>
            <dd>{known && (known.key ?? "that of its cause")}</dd>
          </div>
          {edge.condition && (
            <div>
              <dt>when</dt>
              <dd className="mono">{edge.condition}</dd>
            </div>
          )}
        </dl>
      </section>
      {known?.data_schema && (
        <Folded title="Schema" unit={known.title ?? ""}>
          <JsonView text={JSON.stringify(known.data_schema)} label="JSON Schema" />
        </Folded>
      )}
    </aside>
  );
}

function Tail({
  pipeline,
  event,
  schema,
  run,
  onRun,
}: {
  pipeline: string;
  event: string;
  schema: Schema | undefined;
  run: string | undefined;
  onRun(run: string | undefined): void;
}) {
  const [condition, setCondition] = useState("");
  const [paused, setPaused] = useState(false);
  const tail = useTail({ pipeline, event, run, condition, paused });
  useKeys([{ key: " ", does: "pause or go on with the tail", run: () => setPaused(!paused) }]);
  return (
    <section className="tail">
      <div className="side-head">
        <h3>Tail</h3>
        <button
          type="button"
          className="btn"
          aria-pressed={paused}
          onClick={() => setPaused(!paused)}
        >
          <Icon name={paused ? "play" : "pause"} />
          {paused ? "Go on" : "Pause"} <kbd>Space</kbd>
        </button>
      </div>
      <Filter
        label="Run"
        placeholder="a run's id"
        value={run ?? ""}
        onSet={(v) => onRun(v || undefined)}
      />
      <Filter
        label="Where"
        placeholder={sampleCondition(schema)}
        value={condition}
        onSet={setCondition}
        mono
      />
      {tail.problem && (
        <p className="small tone-late" role="alert">
          {tail.problem}
        </p>
      )}
      <p className="small faint" role="status">
        {statusOf(tail, paused)}
      </p>
      <ol className="tail-list">
        {tail.events.map((each) => (
          <Entry
            key={`${each.topic}/${each.partition}/${each.offset}`}
            event={each}
            eventType={event}
            pipeline={pipeline}
          />
        ))}
      </ol>
    </section>
  );
}

/** A condition of the event's own fields. */
function sampleCondition(schema: Schema | undefined): string {
  const fields = schema ? fieldsOf(resolve(schema, schema), schema) : [];
  const number = fields.find((field) =>
    typesOf(field.schema).some((type) => type === "integer" || type === "number"),
  );
  if (number) return `data.${number.name} > 10`;
  const text = fields.find((field) => typesOf(field.schema).includes("string"));
  return text ? `data.${text.name} == "…"` : "data.field > 10";
}

function statusOf(tail: ReturnType<typeof useTail>, paused: boolean): string {
  if (tail.problem) return "";
  const parts = [paused ? "paused" : tail.open ? "as they come" : "connecting"];
  if (tail.waiting) parts.push(`${formatCount(tail.waiting)} new`);
  if (tail.skipped) parts.push(`skipped ${formatCount(tail.skipped)}`);
  if (tail.undecided)
    parts.push(`${formatCount(tail.undecided)} undecided${tail.reason ? `: ${tail.reason}` : ""}`);
  return parts.join("; ");
}

/** A field whose value counts after Enter, or when it is left. */
function Filter({
  label,
  placeholder,
  value,
  onSet,
  mono = false,
}: {
  label: string;
  placeholder: string;
  value: string;
  onSet(value: string): void;
  mono?: boolean;
}) {
  const field = useId();
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  return (
    <form
      className="tail-filter"
      onSubmit={(event) => {
        event.preventDefault();
        onSet(text.trim());
      }}
    >
      <label className="small faint" htmlFor={field}>
        {label}
      </label>
      <input
        id={field}
        className={mono ? "input mono" : "input"}
        placeholder={placeholder}
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onBlur={() => text.trim() !== value && onSet(text.trim())}
      />
    </form>
  );
}

function Entry({
  event,
  eventType,
  pipeline,
}: {
  event: TailEvent;
  eventType: string;
  pipeline: string;
}) {
  const { topic, partition, offset } = event;
  return (
    <li>
      <details>
        <summary>
          <span className="faint">
            <Moment at={event.time} show="time" />
          </span>
          <span className="mono tail-line">
            {event.key !== null && (
              <b>
                <SafeText text={event.key} />{" "}
              </b>
            )}
            <SafeText text={event.line} />
          </span>
        </summary>
        {event.unreadable && <State of="failed">{event.unreadable}</State>}
        <JsonView text={event.data} cut={event.cut} />
        <p className="small soft">
          {event.run && (
            <>
              Run <RunId id={event.run} whole accent />;{" "}
            </>
          )}
          <Link
            className="link"
            to="/events/$topic/$partition/$offset"
            params={{ topic, partition: String(partition), offset: String(offset) }}
          >
            event {partition}/{offset}
          </Link>
          , its{" "}
          <Link
            className="link"
            to="/trace/$id"
            params={{ id: `${eventType}/${partition}/${offset}` }}
            search={{ pipeline } as Record<string, string>}
          >
            trace
          </Link>
          ; {formatBytes(event.size)}
        </p>
      </details>
    </li>
  );
}
