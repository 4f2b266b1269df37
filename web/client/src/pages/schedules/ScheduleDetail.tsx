/** What is one schedule, what became of it, and how is it steered? */

import { useState } from "react";
import { useNow } from "@/preferences/clock";
import { usePreferences } from "@/preferences/preferences";
import { formatDuration } from "@/ui/format";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { WriteButton } from "@/ui/WriteButton";
import { BackfillPanel } from "./BackfillPanel";
import { History } from "./History";
import { plannedClock, plannedDay } from "./PlannedTime";
import { type ScheduleState, useHistory } from "./queries";
import { FireDialog, PauseDialog, ResumeDialog } from "./ScheduleDialogs";

/** History at the left; backfill and the next firings at the right. */
export function ScheduleDetail({ schedule: listed }: { schedule: ScheduleState }) {
  const history = useHistory(listed);
  const schedule = history.data?.pages[0]?.schedule ?? listed;
  const [dialog, setDialog] = useState<"fire" | "pause" | "resume">();
  const close = () => setDialog(undefined);
  return (
    <div className="pair" id={schedule.schedule}>
      <section className="pair-main" aria-label={schedule.schedule}>
        <header className="sub-head">
          <h2>{schedule.schedule}</h2>
          <span className="small soft">
            <Spec schedule={schedule} />
          </span>
          <span className="right">
            <WriteButton icon="play" onClick={() => setDialog("fire")}>
              Fire now…
            </WriteButton>
            {schedule.paused ? (
              <WriteButton icon="play" kind="primary" onClick={() => setDialog("resume")}>
                Resume…
              </WriteButton>
            ) : (
              <WriteButton icon="held" onClick={() => setDialog("pause")}>
                Pause…
              </WriteButton>
            )}
          </span>
        </header>
        <Notes schedule={schedule} />
        {history.isPending && <Loading rows={6} />}
        {history.isError && !history.data && (
          <ErrorNote
            error={history.error}
            what={`The history of ${schedule.schedule}`}
            onRetry={() => void history.refetch()}
          />
        )}
        {history.data && <History schedule={schedule} history={history} />}
      </section>
      <section
        className="pair-side"
        aria-label={`Backfill and next firings of ${schedule.schedule}`}
      >
        {schedule.catch_up && <BackfillPanel schedule={schedule} />}
        <NextFirings schedule={schedule} />
      </section>
      {dialog === "fire" && <FireDialog schedule={schedule} onClose={close} />}
      {dialog === "pause" && <PauseDialog target={schedule} onClose={close} />}
      {dialog === "resume" && <ResumeDialog target={schedule} onClose={close} />}
    </div>
  );
}

function Spec({ schedule }: { schedule: ScheduleState }) {
  const { spec } = schedule;
  const rest = [
    spec.jitter ? `jitter ${formatDuration(1000 * spec.jitter)}` : "",
    `overlap: ${schedule.overlap}`,
    schedule.catch_up && `catch-up: ${schedule.catch_up}`,
    `triggers ${spec.triggers}`,
  ];
  return (
    <>
      {spec.cron ? (
        <>
          <code>{spec.cron}</code> {spec.zone}
        </>
      ) : (
        schedule.when
      )}
      {", "}
      {rest.filter(Boolean).join("; ")}
    </>
  );
}

/** What hinders it: what it waits for and was never there, orders that were refused. */
function Notes({ schedule }: { schedule: ScheduleState }) {
  const notes = [
    ...schedule.unseen,
    ...(schedule.problem ? [`When it fires next is not known here: ${schedule.problem}`] : []),
    ...schedule.orders.map((order) =>
      order.refused
        ? `The order ${order.id} by ${order.by} was refused: ${order.refused}`
        : `The order ${order.id} by ${order.by} waits for a scheduler`,
    ),
    ...schedule.waiting.filter((each) => each.why).map((each) => `It waits: ${each.why}`),
  ];
  return notes.map((note) => (
    <p key={note} className="note-line">
      {note}
    </p>
  ));
}

function NextFirings({ schedule }: { schedule: ScheduleState }) {
  const now = useNow();
  const { zone } = usePreferences();
  if (schedule.next.length === 0) return null;
  const place = schedule.spec.zone.split("/").at(-1)?.replace("_", " ");
  return (
    <>
      <header className="sub-head">
        <h2>Next {NUMBERS[schedule.next.length] ?? schedule.next.length}</h2>
        <span className="small faint">
          by {schedule.version}, the version in force
          {schedule.paused && (schedule.paused.until ? "; after its pause" : "; if it is resumed")}
        </span>
      </header>
      <table className="mini next">
        <tbody>
          {schedule.next.map((next, index) => {
            const at = Date.parse(next.planned);
            return (
              <tr key={next.planned}>
                <td>{plannedDay(at, zone, now, false)}</td>
                <td className="num">{plannedClock(at, zone)}</td>
                <td className="faint">
                  {index === 0 &&
                    schedule.spec.zone !== "UTC" &&
                    `${next.local.slice(11, 16)} in ${place}`}
                </td>
                <td className="num soft">
                  in {formatDuration(Math.max(0, Date.parse(next.fires) - now))}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </>
  );
}

const NUMBERS = ["", "one", "two", "three", "four", "five"];
