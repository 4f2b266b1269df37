/** What is known of the event that is selected in a trace? */

import { Link } from "@tanstack/react-router";
import { SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { Envelope } from "../event/Envelope";
import { Payload } from "../event/Payload";
import { useRevealedEvent } from "../event/reveal";
import { splitPosition } from "../run/RootFact";
import type { RailResult } from "./rail";

export function EventPanel({ trace, position }: { trace: RailResult; position: string }) {
  const { plain, event, refusal, reveal } = useRevealedEvent({
    pipeline: trace.pipeline,
    event: position,
  });
  const [type, partition, offset] = splitPosition(position);
  const letters = trace.rows.filter((row) => row.kind === "dead" && row.position === position);
  return (
    <aside className="side wide-side" aria-label={position}>
      <header>
        <div>
          <h2>
            <SafeText text={type} />
          </h2>
          <Link
            className="id soft"
            to="/events/$topic/$partition/$offset"
            params={{ topic: type, partition, offset }}
            search={{ pipeline: trace.pipeline }}
          >
            {event ? `${event.topic}/${partition}/${offset}` : position}
          </Link>
        </div>
      </header>
      {plain.isPending && <Loading rows={4} />}
      {plain.isError && (
        <ErrorNote error={plain.error} what="The event" onRetry={() => void plain.refetch()} />
      )}
      {event && (
        <>
          <section className="first">
            <Envelope event={event} onReveal={reveal} />
            {refusal && (
              <p className="small tone-dead" role="alert">
                {refusal}
              </p>
            )}
          </section>
          <section>
            <h3>
              Payload <span className="unit">{event.schema_title}</span>
            </h3>
            <Payload data={event.data} />
          </section>
        </>
      )}
      {letters.map((row) => (
        <section key={`${row.stage}/${row.letter}`}>
          <h3>
            Its dead letter{" "}
            <span className="unit">
              <Link
                className="link"
                to="/dead-letters"
                search={{
                  pipeline: trace.pipeline,
                  stage: row.stage ?? undefined,
                  letter: String(row.letter),
                }}
              >
                {row.stage}/{row.letter}
              </Link>
            </span>
          </h3>
          <dl className="lines">
            <div>
              <dt>died</dt>
              <dd>
                <Moment at={row.at} />
                {row.attempts === 1 && ", 1st try"}
                {(row.attempts ?? 0) > 1 && `, after ${row.attempts} tries`}
              </dd>
            </div>
            <div>
              <dt>why</dt>
              <dd className="tone-dead medium">
                <SafeText text={row.why ?? ""} />
              </dd>
            </div>
            {trace.rows
              .filter(
                (other) =>
                  (other.kind === "replay" || other.kind === "discard") &&
                  other.letter === row.letter &&
                  other.stage === row.stage,
              )
              .map((other) => (
                <div key={other.kind}>
                  <dt>{other.kind === "replay" ? "replayed" : "discarded"}</dt>
                  <dd>
                    <Moment at={other.at} /> by <SafeText text={other.by ?? ""} />
                  </dd>
                </div>
              ))}
          </dl>
        </section>
      ))}
    </aside>
  );
}
