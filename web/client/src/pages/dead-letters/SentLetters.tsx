/** What has a replay sent: which events, with which change? */

import { Link } from "@tanstack/react-router";
import { formatCount } from "@/ui/format";
import { SafeText } from "@/ui/JsonView";
import type { Job } from "./letterQueries";

/** A letter in the result of a replay (`operations/dead_letters/sent_letters.py`). */
interface SentLetter {
  letter: string;
  event_id: string;
  event_type: string;
  topic: string;
  partition: number;
  offset: number | null;
  opens_run: boolean;
  changed: boolean;
  patch: string | null;
  patch_cut: boolean;
}

const MOST_SHOWN = 5;

/** The first letters that were sent, each with its event, its trace and the change; nothing before
 * the job has ended. */
export function SentLetters({ job }: { job: Job }) {
  const sent = sentBy(job);
  if (sent.length === 0) return null;
  const more = job.done - Math.min(sent.length, MOST_SHOWN);
  return (
    <ul className="sent" aria-label="Sent">
      {sent.slice(0, MOST_SHOWN).map((each) => (
        <li key={each.letter}>
          <span className="mono">
            <SafeText text={each.letter} />
          </span>
          : <EventName sent={each} />,{" "}
          <Link className="link" to="/trace/$id" params={{ id: traceOf(each) }}>
            trace
          </Link>
          {each.opens_run && ", published again as the root of a new run"}
          {each.changed ? ", changed" : ", unchanged"}
          {each.patch !== null && (
            <>
              {": "}
              <code>
                <SafeText text={each.patch_cut ? `${each.patch}…` : inOneLine(each.patch)} />
              </code>
            </>
          )}
        </li>
      ))}
      {more > 0 && <li className="faint">and {formatCount(more)} more</li>}
    </ul>
  );
}

function EventName({ sent }: { sent: SentLetter }) {
  const { topic, partition, offset } = sent;
  const name = <SafeText text={sent.event_id || traceOf(sent)} />;
  if (offset === null) return <span className="id">{name}</span>;
  return (
    <Link
      className="id link"
      to="/events/$topic/$partition/$offset"
      params={{ topic, partition: String(partition), offset: String(offset) }}
    >
      {name}
    </Link>
  );
}

/** What the trace is asked for by: the position, if it is known. */
function traceOf({ event_id, event_type, partition, offset }: SentLetter): string {
  return offset === null ? event_id : `${event_type}/${partition}/${offset}`;
}

/** JSON that the server has indented. */
function inOneLine(json: string): string {
  return json.replace(/\n */g, " ").replace(/^\{ (.*) \}$/, "{$1}");
}

function sentBy(job: Job): SentLetter[] {
  const sent = job.result?.["sent"];
  return Array.isArray(sent) ? sent : [];
}
