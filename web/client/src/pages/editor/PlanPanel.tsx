/** What would applying the text change, and how is it put in force? */

import type { AnswerOf } from "@/api/client";
import { asProblem } from "@/api/problem";
import { CopyCommand } from "@/ui/CopyCommand";
import { Age } from "@/ui/figures";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { State } from "@/ui/State";
import { WriteButton } from "@/ui/WriteButton";
import { ApplyForm } from "./ApplyForm";
import { PlanTable } from "./PlanTable";
import { totals } from "./planWords";
import type { Planning } from "./usePlanning";

export type ApplyAnswer = AnswerOf<"/api/v1/topology/apply", "post">;

/** The plan of the draft; `refusal` says why none can be made now. */
export function PlanPanel({
  planning,
  pipeline,
  refusal,
}: {
  planning: Planning;
  pipeline: string;
  refusal: string | undefined;
}) {
  const { plan, outdated } = planning;
  const dangerous = plan?.changes.filter((change) => change.danger).length ?? 0;
  return (
    <section className="sect" id="plan" aria-label="Plan">
      <div className="sect-head">
        <h2>Plan</h2>
        {plan && (
          <>
            <p className="note">
              {plan.newest === null
                ? `${pipeline}@${plan.next}, the first version`
                : plan.next === null
                  ? `${pipeline}@${plan.newest} stays in force`
                  : `${pipeline}@${plan.newest} → ${pipeline}@${plan.next}`}
            </p>
            <p className="right small soft">
              {totals(plan.changes)}
              {dangerous > 0 && (
                <>
                  , <b className="tone-dead strong">{dangerous} dangerous</b>
                </>
              )}
            </p>
          </>
        )}
      </div>
      <Applied planning={planning} />
      {planning.note && (
        <p className="plan-note tone-late" role="alert">
          {planning.note}
        </p>
      )}
      <PlanBody planning={planning} pipeline={pipeline} refusal={refusal} />
      {plan && outdated && (
        <p className="plan-note">
          <span className="soft">The text has changed since this plan.</span>
          <PlanButton planning={planning} refusal={refusal} again />
        </p>
      )}
    </section>
  );
}

function PlanBody({
  planning,
  pipeline,
  refusal,
}: {
  planning: Planning;
  pipeline: string;
  refusal: string | undefined;
}) {
  const { plan, outdated, busy, problem } = planning;
  if (busy === "plan" && !plan) return <Loading rows={3} label="The plan" />;
  if (problem && asProblem(problem).code !== "findings" && !plan)
    return <ErrorNote error={problem} what="The plan" onRetry={planning.make} />;
  if (!plan)
    return (
      <p className="plan-note">
        <span className="soft">
          {planning.applied
            ? "Nothing else is planned."
            : "What the text would change, compared with what is in force."}
        </span>
        <PlanButton planning={planning} refusal={refusal} />
      </p>
    );
  const nothing = plan.changes.length === 0 && plan.next === null;
  return (
    <>
      {nothing ? (
        <p className="soft">
          {plan.writes_file
            ? "Only the text changes: no stage, no event, no setting."
            : `Nothing would change: ${pipeline}@${plan.newest} is in force.`}
        </p>
      ) : (
        <PlanTable changes={plan.changes} />
      )}
      {problem && <ErrorNote error={problem} what="What was asked for" />}
      {plan.unwritable_because ? (
        <Unwritable planning={planning} why={plan.unwritable_because} />
      ) : nothing && !plan.writes_file ? null : (
        <ApplyForm
          key={plan.token}
          plan={plan}
          deed={
            plan.next === null
              ? nothing
                ? "Save the file"
                : "Apply"
              : `Apply as ${pipeline}@${plan.next}`
          }
          busy={busy === "apply"}
          refusal={outdated ? "Plan again first: the text has changed" : undefined}
          note={<ApplyNote planning={planning} />}
          onApply={planning.apply}
        />
      )}
    </>
  );
}

function PlanButton({
  planning,
  refusal,
  again = false,
}: {
  planning: Planning;
  refusal: string | undefined;
  again?: boolean;
}) {
  return (
    <WriteButton
      needs="editor"
      refusal={refusal}
      busy={planning.busy !== undefined}
      onClick={planning.make}
    >
      {again ? "Plan again" : "Plan"} <kbd>Ctrl Enter</kbd>
    </WriteButton>
  );
}

function ApplyNote({ planning }: { planning: Planning }) {
  const { plan, busy, since } = planning;
  if (!plan) return null;
  if (busy === "apply")
    return (
      <>
        {plan.followed_by && !plan.dangers.length
          ? `The file is written; the router (${plan.followed_by}) checks it and publishes`
          : "The file is written, and the version published"}
        {since !== undefined && (
          <>
            : <Age since={since} />
          </>
        )}
      </>
    );
  const words = [];
  if (plan.next !== null && plan.newest !== null)
    words.push(`Workers are rewired in about 1 s; what is under way ends as @${plan.newest}.`);
  if (plan.writes_file) words.push("The file in the folder is written too.");
  if (plan.followed_by && plan.writes_file && !plan.dangers.length)
    words.push(`The router that follows it (${plan.followed_by}) publishes the version.`);
  return <>{words.join(" ")}</>;
}

/** The file is kept elsewhere: who applies it, and how does the text get there? */
function Unwritable({ planning, why }: { planning: Planning; why: string }) {
  return (
    <div className="confirm">
      <p>
        <b>The file cannot be written here: {why}.</b> Save this text where it is kept. A router
        that follows it there applies it; else run there:
      </p>
      <CopyCommand command={allowCommand(planning)} />
      <p>
        <button
          type="button"
          className="btn"
          onClick={() => void navigator.clipboard?.writeText(planning.text)}
        >
          Copy the text
        </button>
      </p>
    </div>
  );
}

function allowCommand({ plan }: Planning): string {
  const allow = plan?.dangers.map((danger) => ` --allow ${danger}`).join("") ?? "";
  return `farandole apply${allow}`;
}

function Applied({ planning }: { planning: Planning }) {
  const { applied } = planning;
  if (!applied) return null;
  const created = applied.created_topics.length;
  return (
    <p className="plan-note" role="status">
      <State of="in-force">
        <b>{applied.version}</b> is in force
      </State>
      <span className="soft">
        {applied.changed ? `published by ${applied.applied_by}` : "nothing was to be published"}
        {created > 0 && `, ${created} ${created === 1 ? "topic" : "topics"} created`}
      </span>
    </p>
  );
}
