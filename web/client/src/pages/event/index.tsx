/** One event: its envelope, its data, who emitted and who reads it. */

import { Link, useParams } from "@tanstack/react-router";
import { addressOf } from "@/api/client";
import { PageHead } from "@/layout/PageHead";
import { useFilters } from "@/navigation/search";
import { type Fact, Facts } from "@/ui/Facts";
import { Age } from "@/ui/figures";
import { Icon } from "@/ui/Icon";
import { Moment, ZoneWord } from "@/ui/Moment";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { CopyId, RunId } from "@/ui/RunId";
import { State } from "@/ui/State";
import { Envelope } from "./Envelope";
import { type EventResult, eventQuery, positionOf } from "./eventQuery";
import { Payload } from "./Payload";
import { useRevealedEvent } from "./reveal";
import "./event.css";

export default function EventPage() {
  const { topic = "", partition = "", offset = "" } = useParams({ strict: false });
  const [{ pipeline }] = useFilters();
  const position = `${topic}/${partition}/${offset}`;
  const { plain, event, isRevealed, refusal, reveal, hide } = useRevealedEvent({
    pipeline,
    event: position,
  });
  return (
    <>
      <PageHead
        title={position}
        heading={
          <span className="run-id">
            <CopyId id={event ? positionOf(event) : position} whole />
          </span>
        }
        crumb={
          <>
            <Link to="/runs">Runs</Link>
            {event?.run && (
              <>
                <Icon name="right" />
                <RunId id={event.run} whole />
              </>
            )}
          </>
        }
        actions={
          event && (
            <>
              {reveal && (event.data.masked || event.key_masked) && (
                <button type="button" className="btn" onClick={reveal}>
                  <Icon name="eye" />
                  Reveal
                </button>
              )}
              {isRevealed && (
                <button type="button" className="btn" onClick={hide}>
                  <Icon name="lock" />
                  Hide again
                </button>
              )}
              <Link
                className="btn"
                to="/trace/$id"
                params={{ id: positionOf(event) }}
                search={{ pipeline: event.pipeline }}
              >
                <Icon name="trace" />
                Trace
              </Link>
              <DownloadLink event={event} reveal={isRevealed} />
            </>
          )
        }
      />
      {plain.isPending && <Loading />}
      {plain.isError && (
        <ErrorNote
          error={plain.error}
          what={`The event ${position}`}
          onRetry={() => void plain.refetch()}
        />
      )}
      {refusal && (
        <p className="reveal-refused" role="alert">
          <State of="refused" /> {refusal}
        </p>
      )}
      {event && (
        <>
          <Facts facts={factsOf(event)} />
          <div className="work event-work">
            <section className="canvas event-data" aria-label="Data">
              <div className="sect-head">
                <h2>Data</h2>
                <p className="note">{event.schema_title ?? ""}</p>
              </div>
              <Payload data={event.data} />
            </section>
            <aside className="side wide-side" aria-label="Envelope">
              <section className="first">
                <Envelope event={event} />
              </section>
            </aside>
          </div>
        </>
      )}
    </>
  );
}

/** Saves the value as it is in Kafka; without the right to see it, with what is personal masked. */
export function DownloadLink({ event, reveal }: { event: EventResult; reveal: boolean }) {
  const address = addressOf("/api/v1/events/value", {
    query: eventQuery({ pipeline: event.pipeline, event: positionOf(event), reveal }),
  });
  return (
    <a className="btn" href={address} download>
      <Icon name="download" />
      Download
    </a>
  );
}

function factsOf(event: EventResult): Fact[] {
  const version = event.version === null ? undefined : `${event.pipeline}@${event.version}`;
  return [
    {
      label: "Emitted",
      value: (
        <>
          <Moment at={event.at} /> <span className="unit">{event.at !== null && <ZoneWord />}</span>
        </>
      ),
      note: event.at !== null && (
        <>
          <Age since={event.at} /> ago
        </>
      ),
    },
    {
      label: "By",
      value: event.stage ? <b className="medium">{event.stage}</b> : "a root",
      note: version,
    },
    {
      label: "Read by",
      value:
        event.readers.length > 0 ? event.readers.join(", ") : <span className="faint">nobody</span>,
      note: event.readers.length > 1 ? `${event.readers.length} stages` : undefined,
    },
    {
      label: "Run",
      value: event.run ? (
        <RunId id={event.run} whole accent />
      ) : (
        <span className="faint">none</span>
      ),
      note: version,
    },
    {
      label: "Position",
      value: <code>{`${event.topic}/${event.partition}/${event.offset}`}</code>,
      note: "topic, partition, offset",
    },
  ];
}
