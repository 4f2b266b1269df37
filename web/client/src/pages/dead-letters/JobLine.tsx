/** How far has a replay or a discard come? */

import { Fragment, useEffect, useRef } from "react";
import { asProblem } from "@/api/problem";
import { formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { sentence } from "@/ui/PageStates";
import { RunId } from "@/ui/RunId";
import { type Job, useJob } from "./letterQueries";
import { SentLetters } from "./SentLetters";

/** Counts while it goes on, then the result with the runs that are amended. */
export function JobLine({
  id,
  onEnded,
  onClose,
  onNext,
}: {
  id: string;
  onEnded(): void;
  /** Shows the letter without its job. */
  onClose(): void;
  /** Shows an open letter; undefined if there is none. */
  onNext: (() => void) | undefined;
}) {
  const query = useJob(id);
  const job = query.data;
  const ended = useRef(onEnded);
  useEffect(() => {
    ended.current = onEnded;
  });
  const isOver = (job && job.state !== "running") || query.error !== null;
  useEffect(() => {
    if (isOver) ended.current();
  }, [isOver]);
  return (
    <div className="job" role="status">
      <div className="cut" aria-hidden="true">
        {job && <i className="b-handled" style={{ flex: `${job.done} 0 0` }} />}
        {job && job.state === "running" && (
          <i className="b-flight" style={{ flex: `${Math.max(0, job.total - job.done)} 0 0` }} />
        )}
      </div>
      <p className="one">
        <JobWords job={job} error={query.error} />{" "}
        {isOver && (
          <button type="button" className="link plain-link" onClick={onNext ?? onClose}>
            {onNext ? "Next open letter" : "Done"}
          </button>
        )}
      </p>
      {job && <SentLetters job={job} />}
    </div>
  );
}

function JobWords({ job, error }: { job: Job | undefined; error: unknown }) {
  if (error) {
    return (
      <span className="tone-late">
        <Icon name="warning" /> {sentence(asProblem(error).message)}.
      </span>
    );
  }
  if (!job) return <>Starting…</>;
  const counts = `${formatCount(job.done)} of ${formatCount(job.total)}`;
  if (job.state === "running")
    return (
      <>
        <b>{counts}</b> {job.what === "dead replay" ? "replayed" : "discarded"} so far
      </>
    );
  if (job.error)
    return (
      <span className="tone-dead">
        <Icon name="failed" /> <b>{counts}</b>, then: {job.error.detail}
      </span>
    );
  const others = settledByOthers(job);
  return (
    <>
      <Icon name="handled" className="tone-ok" /> <b>{formatCount(job.done)}</b>{" "}
      {job.what === "dead replay" ? "replayed" : "discarded"}
      {others > 0 && `, ${formatCount(others)} settled by others before`}
      {job.what === "dead replay" && job.runs && job.runs.length > 0 && (
        <>
          {"; once handled, "}
          {job.runs.length === 1 ? "run " : "runs "}
          {job.runs.slice(0, 3).map((run, index) => (
            <Fragment key={run}>
              {index > 0 && ", "}
              <RunId id={run} accent />
            </Fragment>
          ))}
          {job.runs.length > 3 && ` and ${formatCount(job.runs.length - 3)} more`}
          {job.runs.length === 1 ? " is amended" : " are amended"}
        </>
      )}
      .
    </>
  );
}

function settledByOthers(job: Job): number {
  const stages = job.result?.["stages"];
  if (!Array.isArray(stages)) return 0;
  return stages.reduce<number>((sum, each) => sum + Number(each?.settled_by_others ?? 0), 0);
}
