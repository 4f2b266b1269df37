/** Why did this event die, and what can be done with it? */

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useMayReveal } from "@/api/me";
import { asProblem } from "@/api/problem";
import { EventKey } from "@/ui/EventKey";
import { formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { ErrorNote, Loading, sentence } from "@/ui/PageStates";
import { CopyId } from "@/ui/RunId";
import { State } from "@/ui/State";
import { type Detail, type Kind, type LetterName, useCauses, useLetter } from "./letterQueries";
import { Mend } from "./Mend";

interface LetterViewProps {
  name: LetterName;
  kind: Kind | undefined;
  run: string | null;
  since: number | null;
  reveal: boolean;
  onReveal(reveal: boolean): void;
  /** `13 of 29`, with buttons to the letters beside it. */
  steps: ReactNode;
  crumb: ReactNode;
  job: string | undefined;
  onJob(job: string | undefined): void;
  onPlanned(refusals: ReadonlyMap<string, string>): void;
  onSettled(): void;
  onNext: (() => void) | undefined;
}

/** One letter from its error down to the preview of its replay. */
export function LetterView(props: LetterViewProps) {
  const { name, reveal, onReveal, steps, crumb } = props;
  const query = useLetter(name, reveal);
  const masked = useLetter(name, false);
  // Who may not reveal sees the letter as before, and why.
  const letter = query.data ?? masked.data;
  const refusal = reveal && query.error ? asProblem(query.error).message : undefined;
  if (query.error && !letter)
    return (
      <article className="letter">
        <ErrorNote error={query.error} what="This letter" onRetry={() => query.refetch()} />
      </article>
    );
  if (!letter)
    return (
      <article className="letter">
        <Loading rows={6} label="Letter" />
      </article>
    );
  return (
    <article className="letter" aria-label={`Letter ${letter.stage}/${letter.offset}`}>
      <header>
        <p className="narrow-only small crumb">{crumb}</p>
        <h2 className="letter-name">
          <CopyId id={`${letter.stage}/${letter.offset}`} whole />
        </h2>
        <LetterState letter={letter} />
        {steps}
      </header>
      <Cause letter={letter} />
      <LetterFacts letter={letter} reveal={reveal} refusal={refusal} onReveal={onReveal} />
      <CausePath name={name} />
      <Settled letter={letter} />
      {letter.traceback && <Traceback letter={letter} />}
      <Mend
        key={`${letter.pipeline}/${letter.stage}/${letter.offset}`}
        letter={letter}
        kind={props.kind}
        run={props.run}
        since={props.since}
        job={props.job}
        onJob={props.onJob}
        onPlanned={props.onPlanned}
        onSettled={props.onSettled}
        onNext={props.onNext}
      />
    </article>
  );
}

function LetterState({ letter }: { letter: Detail }) {
  const { settlement, outcome } = letter;
  if (settlement === null) return <State of="dead">dead, open</State>;
  if (settlement["how"] === "discarded") return <State of="skipped">discarded</State>;
  if (outcome?.state === "died") return <State of="dead">replayed, died again</State>;
  if (outcome?.state === "waiting") return <State of="parked">replayed, waiting</State>;
  return <State of="handled">replayed, handled</State>;
}

function Cause({ letter }: { letter: Detail }) {
  return (
    <div className="cause">
      <p>
        <b>
          <SafeText text={letter.error} />:
        </b>{" "}
        <SafeText text={letter.message} />
      </p>
      {letter.place && (
        <span className="place">
          <CopyId id={letter.place} whole />
        </span>
      )}
    </div>
  );
}

function LetterFacts({
  letter,
  reveal,
  refusal,
  onReveal,
}: {
  letter: Detail;
  reveal: boolean;
  refusal: string | undefined;
  onReveal(reveal: boolean): void;
}) {
  const { topic, partition, event_offset: offset } = letter;
  const hidden = letter.masked || letter.key_personal;
  const mayReveal = useMayReveal();
  return (
    <dl className="facts">
      <div>
        <dt>Died</dt>
        <dd>
          <Moment at={letter.time} />
          <small>{[tries(letter.attempts), replays(letter)].filter(Boolean).join(", ")}</small>
        </dd>
      </div>
      <div>
        <dt>Event</dt>
        <dd>
          {partition !== null && offset !== null && topic ? (
            <Link
              className="id link"
              to="/events/$topic/$partition/$offset"
              params={{ topic, partition: String(partition), offset: String(offset) }}
            >
              <SafeText text={letter.event_id || `${topic}/${partition}/${offset}`} />
            </Link>
          ) : (
            <SafeText text={letter.event_id} />
          )}
          <small>
            <SafeText text={topic} />
            {partition !== null && `/${partition}/${offset}`}
          </small>
        </dd>
      </div>
      <div>
        <dt>Run</dt>
        <dd>
          {letter.run && (
            <Link className="id link" to="/runs/$run" params={{ run: letter.run }}>
              {letter.run}
            </Link>
          )}
          <small>{letter.version}</small>
        </dd>
      </div>
      <div>
        <dt>Key</dt>
        <dd>
          {letter.key === null ? (
            <span className="faint">none</span>
          ) : (
            <EventKey text={letter.key} />
          )}{" "}
          {mayReveal && (hidden || letter.revealed) && (
            <button type="button" className="btn plain reveal" onClick={() => onReveal(!reveal)}>
              <Icon name="eye" />
              {reveal ? "Mask" : "Reveal"}
            </button>
          )}
          {(hidden || letter.revealed) && (
            <small className={refusal ? "tone-late" : undefined}>
              {refusal
                ? sentence(refusal)
                : mayReveal
                  ? "personal; revealing is recorded"
                  : "personal"}
            </small>
          )}
        </dd>
      </div>
    </dl>
  );
}

function tries(attempts: number): string {
  if (attempts === 0) return "";
  const last = attempts % 10;
  const teens = attempts % 100 > 10 && attempts % 100 < 14;
  const ending = teens ? "th" : (["th", "st", "nd", "rd"][last] ?? "th");
  return `${formatCount(attempts)}${ending} try`;
}

/** How often it was replayed before it died this time; of a settled letter without one nothing. */
function replays({ replays: before, settlement }: Detail): string {
  if (before === 0) return settlement === null ? "no replay yet" : "";
  return before === 1 ? "replayed once before" : `replayed ${formatCount(before)} times before`;
}

/** Its causes, up to the root: each is a link. */
function CausePath({ name }: { name: LetterName }) {
  const { data } = useCauses(name);
  if (!data || data.events.length === 0) return null;
  return (
    <ol className="path" aria-label="Causes">
      {data.events.flatMap((event) => {
        const text = `${event.event_type}/${event.partition}/${event.offset}`;
        const stage = event.stage ? [<StageStep key={`${text}<`} stage={event.stage} />] : [];
        return [
          ...stage,
          <li key={text}>
            <Link className="id" to="/trace/$id" params={{ id: text }}>
              <SafeText text={text} />
            </Link>
          </li>,
        ];
      })}
      <li className="tone-dead">
        <Icon name="dead" />
        <b>{name.stage}</b>
      </li>
    </ol>
  );
}

function StageStep({ stage }: { stage: string }) {
  return (
    <li>
      <b>{stage}</b>
    </li>
  );
}

/** What became of a letter that is not open any more. */
function Settled({ letter }: { letter: Detail }) {
  const { settlement, outcome } = letter;
  if (settlement === null) return null;
  const how = settlement["how"] === "discarded" ? "discarded" : "replayed";
  const reason = settlement["reason"];
  return (
    <p className="settled-line">
      <State of={how === "discarded" ? "skipped" : "replayed"}>{how}</State>{" "}
      <Moment at={String(settlement["at"])} /> by <SafeText text={String(settlement["by"])} />
      {typeof reason === "string" && reason && (
        <>
          :{" "}
          <q>
            <SafeText text={reason} />
          </q>
        </>
      )}
      {outcome?.letter && (
        <>
          {"; "}it is now{" "}
          <Link
            className="link"
            to="/dead-letters"
            search={{ letter: outcome.letter, pipeline: letter.pipeline, state: "all" }}
          >
            {outcome.letter}
          </Link>
        </>
      )}
    </p>
  );
}

function Traceback({ letter }: { letter: Detail }) {
  return (
    <details className="traceback">
      <summary>
        <Icon name="right" /> Traceback and headers
        <span className="faint"> {letter.headers.length} headers</span>
      </summary>
      <pre>
        <SafeText text={letter.traceback} />
      </pre>
      <dl className="lines">
        {letter.headers.map((header) => (
          <div key={header.name}>
            <dt>
              <SafeText text={header.name} />
            </dt>
            <dd className="mono">
              <SafeText text={header.value ?? ""} />
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
