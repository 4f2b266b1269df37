/** What would a replay do, and how is it done? */

import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { send } from "@/api/client";
import { useRefusal } from "@/api/me";
import { asProblem, type Problem } from "@/api/problem";
import { Dialog } from "@/ui/Dialog";
import { counted, cutMiddle, formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { sentence } from "@/ui/PageStates";
import { Segments } from "@/ui/Segments";
import { WriteButton } from "@/ui/WriteButton";
import { DiscardDialog } from "./DiscardDialog";
import { JobLine } from "./JobLine";
import {
  type Change,
  type Check,
  type Detail,
  type Kind,
  type Plan,
  type ReplayBody,
  useReplayPlan,
} from "./letterQueries";

interface PreviewProps {
  letter: Detail;
  kind: Kind | undefined;
  run: string | null;
  since: number | null;
  change: Change;
  check: Check | undefined;
  newest: boolean;
  /** Why the fields show what is not in the change, or not checked yet. */
  unfinished: string | undefined;
  /** The job that settles letters, or has ended. */
  job: string | undefined;
  onJob(job: string | undefined): void;
  onPlanned(refusals: ReadonlyMap<string, string>): void;
  onSettled(): void;
  onNext: (() => void) | undefined;
}

type Scope = "letter" | "kind";

/** Counted by the server; the buttons carry the token of this preview. */
export function Preview(props: PreviewProps) {
  const { letter, kind, change, check, unfinished, job, onJob, onPlanned, onSettled } = props;
  const refusal = useRefusal("operator");
  const several = kind !== undefined && kind.open > 1;
  const [chosen, setScope] = useState<Scope>("letter");
  const scope: Scope = several ? chosen : "letter";
  const patch = change === undefined ? undefined : (check?.patch ?? undefined);
  const blocked = scope === "kind" && change !== undefined ? (check?.patch_problem ?? null) : null;
  const body = blocked ? undefined : replayBody(props, scope, patch);
  const waits = change !== undefined && check === undefined;
  const plan = useReplayPlan(waits ? undefined : body, refusal === undefined);
  const [stale, setStale] = useState<Problem>();
  const [discarding, setDiscarding] = useState(false);
  const [each, setEach] = useState(false);
  const [busy, setBusy] = useState(false);
  const shown = body === undefined ? undefined : plan.data;
  useEffect(() => {
    const refused = (shown?.preview.refused_letters ?? []).map(
      (one) => [one.letter, one.reason] as const,
    );
    onPlanned(new Map(refused));
  }, [shown, onPlanned]);
  const replay = async () => {
    if (!body || !shown) return;
    setBusy(true);
    setStale(undefined);
    try {
      const started = await send("post", "/api/v1/dead-letters/replay", {
        body: {
          ...body,
          selection: { ...body.selection, through: shown.through },
          token: shown.token,
        },
      });
      onJob(started.id);
    } catch (error) {
      setStale(asProblem(error));
      await plan.refetch();
    } finally {
      setBusy(false);
    }
  };
  const failed = plan.error && !plan.isFetching ? asProblem(plan.error) : undefined;
  const count = shown?.replayable ?? 0;
  return (
    <section className="preview" aria-label="Preview of the replay" aria-busy={plan.isFetching}>
      <div className="scope">
        <p className="label">
          {patch && patch !== "{}" ? (
            <>
              Mend with{" "}
              <code title={patch}>
                <SafeText text={patch.length > 40 ? `${patch.slice(0, 39)}…` : patch} />
              </code>
            </>
          ) : (
            changeWords(change, check)
          )}
        </p>
        <Segments<Scope>
          label="Which letters"
          value={scope}
          onChange={setScope}
          segments={[
            { value: "letter", label: "This letter" },
            {
              value: "kind",
              label: kind ? `All ${formatCount(kind.open)} of this kind` : "All of this kind",
              refusal: several ? undefined : "There is no other open letter of this kind",
            },
          ]}
        />
      </div>
      <div className="sum">
        {job !== undefined ? (
          <JobLine
            id={job}
            onEnded={onSettled}
            onClose={() => onJob(undefined)}
            onNext={props.onNext}
          />
        ) : blocked ? (
          <Refused count={undefined} text={blocked} />
        ) : refusal !== undefined && !shown ? (
          <p className="one soft">{refusal}.</p>
        ) : failed ? (
          <Refused count={undefined} text={failed.message} />
        ) : shown ? (
          <PlanSum plan={shown} stage={letter.stage} onEach={() => setEach(true)} />
        ) : (
          <p className="one faint">Counting…</p>
        )}
      </div>
      <div className="go">
        <WriteButton
          kind="primary"
          busy={busy || (job === undefined && plan.isPlaceholderData)}
          refusal={unfinished ?? replayRefusal(job, blocked, shown)}
          onClick={replay}
        >
          {!shown ? "Replay" : `Replay ${counted(count, "letter")}`}
        </WriteButton>
        <WriteButton
          kind="danger"
          refusal={job === undefined ? undefined : "A replay goes on"}
          onClick={() => setDiscarding(true)}
        >
          Discard…
        </WriteButton>
        <p className="label" role="status">
          {stale ? (
            <span className="tone-late">
              {stale.code === "stale_token"
                ? "Something has changed since: nothing was done, and it is counted anew."
                : `${sentence(stale.message)}.`}
            </span>
          ) : (
            shown && (
              <>
                Counted at <Moment at={plan.dataUpdatedAt} show="time" />. If anything changes, it
                is counted anew.
              </>
            )
          )}
        </p>
      </div>
      <DiscardDialog
        open={discarding}
        onClose={() => setDiscarding(false)}
        pipeline={letter.pipeline}
        selection={selectionOf(props, scope)}
        onStarted={(id) => {
          setDiscarding(false);
          onJob(id);
        }}
      />
      <Dialog
        open={each}
        onClose={() => setEach(false)}
        title="What is refused, one by one"
        about="These letters stay dead and open."
      >
        <dl className="lines">
          {shown?.preview.refused_letters?.map((one) => (
            <div key={one.letter}>
              <dt className="id">{one.letter}</dt>
              <dd>
                <SafeText text={one.reason} />
              </dd>
            </div>
          ))}
        </dl>
      </Dialog>
    </section>
  );
}

/** What is known of a change that has no patch to show. */
function changeWords(change: Change, check: Check | undefined): string {
  if (change === undefined || check?.patch === "{}") return "As it died, without a change";
  return check === undefined ? "What is written is being checked" : "As it was edited";
}

function replayRefusal(
  job: string | undefined,
  blocked: string | null,
  plan: Plan | undefined,
): string | undefined {
  if (job !== undefined) return "A deed goes on";
  if (blocked) return sentence(blocked);
  if (!plan) return "It is not counted yet";
  return plan.replayable === 0 ? "No letter can be replayed" : undefined;
}

/** The bar and one line each for what is replayed and what is refused. */
function PlanSum({ plan, stage, onEach }: { plan: Plan; stage: string; onEach(): void }) {
  const { runs = [], run_count: runCount = 0, refused, targets = [] } = plan.preview;
  const [run] = runs;
  const other = targets.filter((each) => each.retired);
  return (
    <>
      <div className="cut" aria-hidden="true">
        {plan.replayable > 0 && (
          <i className="b-handled" style={{ flex: `${plan.replayable} 0 2px` }} />
        )}
        {plan.refused > 0 && <i className="b-dead" style={{ flex: `${plan.refused} 0 2px` }} />}
      </div>
      {plan.replayable > 0 && (
        <p>
          <Icon name="handled" className="tone-ok" />
          <b>{formatCount(plan.replayable)}</b>
          <span>
            <span className="tone-ok medium">replayed:</span> to {stage}
            {targets.length > 0 && ` by ${targets.map((each) => each.version).join(", ")}`}, each
            once;{" "}
            {runCount === 1 && run ? (
              <>
                run{" "}
                <Link className="id" to="/runs/$run" params={{ run: run.run }} title={run.run}>
                  {cutMiddle(run.run)}
                </Link>{" "}
                is amended
              </>
            ) : (
              counted(runCount, "run is amended", "runs are amended")
            )}
            {other.length > 0 &&
              `; ${other.map((each) => each.version).join(", ")} is retired and opens again`}
          </span>
        </p>
      )}
      {refused.map((each, index) => (
        <p key={index}>
          <Icon name="cancelled" className="tone-dead" />
          <b>{formatCount(each.count)}</b>
          <span>
            <span className="tone-dead medium">refused:</span> <SafeText text={each.text} />.{" "}
            {index === refused.length - 1 && (
              <button type="button" className="link plain-link" onClick={onEach}>
                One by one…
              </button>
            )}
          </span>
        </p>
      ))}
      {plan.replayable === 0 && plan.refused === 0 && (
        <p className="one soft">No letter of these is open any more.</p>
      )}
    </>
  );
}

function Refused({ count, text }: { count: number | undefined; text: string }) {
  return (
    <p>
      <Icon name="cancelled" className="tone-dead" />
      <b>{count === undefined ? "" : formatCount(count)}</b>
      <span>
        <span className="tone-dead medium">refused:</span> <SafeText text={text} />
      </span>
    </p>
  );
}

function selectionOf(props: PreviewProps, scope: Scope): ReplayBody["selection"] {
  const { letter, kind, run, since } = props;
  if (scope === "letter" || !kind)
    return { letters: [`${letter.stage}/${letter.offset}`], every: false };
  return {
    letters: [],
    stage: kind.stage,
    fingerprint: kind.fingerprint,
    run,
    since,
    every: false,
  };
}

function replayBody(props: PreviewProps, scope: Scope, patch: string | undefined): ReplayBody {
  const { letter, change, newest } = props;
  const edited = scope === "letter" && change && "edited" in change ? change.edited : null;
  return {
    pipeline: letter.pipeline,
    selection: selectionOf(props, scope),
    patch: edited === null && patch && patch !== "{}" ? patch : null,
    edited,
    revealed: letter.revealed,
    by_newest: newest,
    as_new_run: false,
  };
}
