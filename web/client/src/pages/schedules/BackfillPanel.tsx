/** For which planned times of the past is it to fire? Counted before it starts. */

import { useId, useState } from "react";
import { asProblem } from "@/api/problem";
import { ConfirmDialog } from "@/ui/Dialog";
import { counted, formatCount } from "@/ui/format";
import { Icon, type IconName } from "@/ui/Icon";
import { Moment } from "@/ui/Moment";
import { sentence } from "@/ui/PageStates";
import { Segments } from "@/ui/Segments";
import { WriteButton } from "@/ui/WriteButton";
import { PlannedTime } from "./PlannedTime";
import {
  type Backfill,
  type BackfillForm,
  type BackfillPlan,
  type ScheduleState,
  useBackfill,
  useBackfillPlan,
  useCancelBackfill,
} from "./queries";

const DAY = 86_400_000;
const NAMED = 3;
/** A backfill of more planned times begins only after the schedule's name was typed. */
const LARGE = 300;

/** The range, what would fire and what is left out, and the backfills that go on. */
export function BackfillPanel({ schedule }: { schedule: ScheduleState }) {
  const [from, setFrom] = useState(() => dayText(Date.now() - 14 * DAY));
  const [to, setTo] = useState(() => dayText(Date.now()));
  const [which, setWhich] = useState<"missing" | "all">("missing");
  const [parallel, setParallel] = useState("1");
  const ids = useId();
  const number = Number(parallel);
  const problem =
    !from || !to
      ? "Say from when and to when"
      : from > to
        ? "The first day is after the last"
        : Number.isInteger(number) && number >= 1 && number <= 100
          ? undefined
          : "At once: 1 to 100";
  const form: BackfillForm = {
    start: from,
    end: problem ? to : dayText(Date.parse(to) + DAY), // the last day is in the range
    missing: which === "missing",
    max_parallel: number,
  };
  const plan = useBackfillPlan(schedule, form, problem === undefined);
  const order = useBackfill(schedule);
  const [asks, setAsks] = useState(false);
  const count = plan.data?.times.length ?? 0;
  const give = () =>
    plan.data && order.mutate({ plan: plan.data, form }, { onSettled: () => setAsks(false) });
  const begin = () => (count > LARGE ? setAsks(true) : give());
  return (
    <>
      <header className="sub-head">
        <h2>Backfill</h2>
        <span className="small faint">{schedule.schedule}</span>
      </header>
      <form
        className="ask"
        onSubmit={(event) => {
          event.preventDefault();
          if (problem === undefined && count > 0) begin();
        }}
      >
        <label htmlFor={`${ids}from`}>from</label>
        <input
          className="input"
          type="date"
          id={`${ids}from`}
          value={from}
          onChange={(event) => setFrom(event.target.value)}
        />
        <label htmlFor={`${ids}to`}>to</label>
        <input
          className="input"
          type="date"
          id={`${ids}to`}
          value={to}
          onChange={(event) => setTo(event.target.value)}
        />
        <span className="lbl">which</span>
        <Segments<"missing" | "all">
          label="Which"
          value={which}
          onChange={setWhich}
          segments={[
            { value: "missing", label: "Never fired" },
            { value: "all", label: "All again" },
          ]}
        />
        <label htmlFor={`${ids}parallel`}>at once</label>
        <input
          className="input short"
          id={`${ids}parallel`}
          inputMode="numeric"
          value={parallel}
          onChange={(event) => setParallel(event.target.value)}
        />
        <span className="hint">runs, oldest first</span>
      </form>
      {problem !== undefined && <p className="sum-note soft">{problem}.</p>}
      {problem === undefined && plan.isError && (
        <p className="sum-note tone-late" role="alert">
          {sentence(asProblem(plan.error).message)}
        </p>
      )}
      {problem === undefined && plan.data && <PlanSum plan={plan.data} />}
      <div className="go-row">
        <WriteButton
          kind={count > 0 ? "primary" : "normal"}
          busy={order.isPending}
          refusal={
            problem ??
            (plan.isPending
              ? "It is being counted"
              : count === 0
                ? "There is nothing to fire for"
                : undefined)
          }
          onClick={begin}
        >
          Backfill {counted(count, "planned time")}
          {count > LARGE && "…"}
        </WriteButton>
        <p className="label" role="status">
          {order.isError
            ? sentence(asProblem(order.error).message)
            : order.isSuccess
              ? "Ordered; it stands below."
              : plan.data && (
                  <>
                    Counted at <Moment at={plan.dataUpdatedAt} show="time" />, and anew if anything
                    changes.
                  </>
                )}
        </p>
      </div>
      <ConfirmDialog
        open={asks}
        onClose={() => setAsks(false)}
        title={`Backfill ${counted(count, "planned time")}?`}
        about={`Each begins a run, ${number === 1 ? "one at a time" : `${formatCount(number)} at once`}. It can be cancelled; what has begun then goes on.`}
        typed={schedule.schedule}
        deed={`Backfill ${counted(count, "planned time")}`}
        busy={order.isPending}
        onConfirm={give}
      />
      {schedule.backfills.map((backfill) => (
        <OpenBackfill key={backfill.id} schedule={schedule} backfill={backfill} />
      ))}
    </>
  );
}

function PlanSum({ plan }: { plan: BackfillPlan }) {
  const count = plan.times.length;
  return (
    <div className="sum wide">
      <div className="cut" aria-hidden="true">
        <Part className="b-flight" share={count} />
        <Part className="b-handled" share={plan.fired} />
        <Part className="b-dropped" share={plan.excluded} />
      </div>
      <Line icon="play" tone="flight" count={count}>
        <span className="tone-flight medium">would fire</span>
        {count > 0 && (
          <>
            : <Times times={plan.times} />
          </>
        )}
      </Line>
      <Line icon="handled" tone="ok" count={plan.fired}>
        fired already, left out
      </Line>
      <Line icon="excluded" tone="quiet" count={plan.excluded}>
        excluded
        {plan.excluded > 0 && (
          <>
            : <Times times={plan.excluded_times ?? []} of={plan.excluded} />
          </>
        )}
      </Line>
      <p className="total">
        <span />
        <b>{formatCount(plan.planned)}</b>
        <span>planned times; version {plan.version} works them</span>
      </p>
      {plan.warning && <p className="sum-warning soft">{sentence(plan.warning)}.</p>}
    </div>
  );
}

function Part({ className, share }: { className: string; share: number }) {
  return share > 0 ? <i className={className} style={{ flex: `${share} 0 2px` }} /> : null;
}

function Line({
  icon,
  tone,
  count,
  children,
}: {
  icon: IconName;
  tone: string;
  count: number;
  children: React.ReactNode;
}) {
  if (count === 0 && icon !== "play") return null;
  return (
    <p>
      <Icon name={icon} className={`tone-${tone}`} />
      <b>{formatCount(count)}</b>
      <span>{children}</span>
    </p>
  );
}

/** The first and the last of some times. */
function Times({ times, of = times.length }: { times: readonly string[]; of?: number }) {
  const [first, ...rest] = times;
  if (first === undefined) return null;
  if (of <= NAMED)
    return times.map((time, index) => (
      <span key={time}>
        {index > 0 && (index === times.length - 1 ? " and " : ", ")}
        <PlannedTime at={time} />
      </span>
    ));
  const last = times.length === of ? rest.at(-1) : undefined;
  return (
    <>
      <PlannedTime at={first} dated />
      {last ? (
        <>
          {" "}
          to <PlannedTime at={last} dated />
        </>
      ) : (
        " and later ones"
      )}
    </>
  );
}

function OpenBackfill({ schedule, backfill }: { schedule: ScheduleState; backfill: Backfill }) {
  const [asks, setAsks] = useState(false);
  const cancel = useCancelBackfill(schedule);
  const done = backfill.fired + backfill.passed;
  const over = backfill.ended ? "ended" : backfill.cancelled ? "cancelled" : undefined;
  return (
    <section className="open-backfill" aria-label={`Backfill ${backfill.id}`}>
      <p>
        <b className="medium">
          {backfill.start ? <PlannedTime at={backfill.start} dated /> : "…"} to{" "}
          <PlannedTime at={backfill.end} dated />
        </b>{" "}
        <span className="soft">{backfill.by && `by ${backfill.by}`}</span>
        {!over && (
          <WriteButton kind="plain" onClick={() => setAsks(true)}>
            Cancel…
          </WriteButton>
        )}
      </p>
      <div className="cut" aria-hidden="true">
        <Part className="b-handled" share={backfill.fired} />
        <Part className="b-dropped" share={backfill.passed} />
        <Part className="b-rest" share={backfill.left ?? Math.max(1, done)} />
      </div>
      <p className="small soft">
        {formatCount(backfill.fired)} fired, {formatCount(backfill.passed)} left out
        {backfill.left === null
          ? ", more to look at"
          : `, ${formatCount(backfill.left)} to look at`}
        {backfill.runs.length > 0 && `, ${formatCount(backfill.runs.length)} running`}
        {over && `; ${over}`}
        {backfill.why && `: ${backfill.why}`}
      </p>
      <ConfirmDialog
        open={asks}
        onClose={() => setAsks(false)}
        title={`Cancel the backfill ${backfill.id}`}
        about="It begins no more runs; what runs goes on."
        deed={
          backfill.left === null
            ? "Cancel what is left"
            : `Cancel ${counted(backfill.left, "planned time")}`
        }
        busy={cancel.isPending}
        onConfirm={() => cancel.mutate(backfill.id, { onSettled: () => setAsks(false) })}
      />
    </section>
  );
}

/** A day as a date field has it: `2026-11-25`, in UTC. */
function dayText(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
