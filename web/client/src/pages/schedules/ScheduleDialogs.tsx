/** How is a schedule paused, resumed or fired by a person? */

import { useState } from "react";
import { DeedDialog } from "@/ui/DeedDialog";
import { formatBoth } from "@/ui/format";
import { Segments } from "@/ui/Segments";
import { hoursFromNow, UntilField, type UntilValue } from "@/ui/UntilField";
import { type ScheduleState, useFire, usePause, useResume } from "./queries";

interface PauseTarget {
  pipeline: string;
  /** undefined: every schedule of the pipeline. */
  schedule: string | undefined;
}

/** Pause one schedule, or all of a pipeline. */
export function PauseDialog({ target, onClose }: { target: PauseTarget; onClose(): void }) {
  const [until, setUntil] = useState<UntilValue>(() => hoursFromNow(1));
  const pause = usePause();
  const name = target.schedule ?? `all schedules of ${target.pipeline}`;
  return (
    <DeedDialog
      open
      onClose={onClose}
      title={`Pause ${name}`}
      about="Nothing fires meanwhile. What becomes of the planned times of that time is decided by its catch-up."
      deed={`Pause ${target.schedule ?? "all"}`}
      missing={until === undefined ? "Say until when" : undefined}
      busy={pause.isPending}
      error={pause.error}
      onDo={(comment) =>
        until !== undefined && pause.mutate({ ...target, until, comment }, { onSuccess: onClose })
      }
    >
      <UntilField onChange={setUntil} />
      {until === null && (
        <p className="deed-note">
          <b className="tone-wait">No end set</b>: it stays paused until somebody resumes it.
        </p>
      )}
    </DeedDialog>
  );
}

/** Let one schedule, or all of a pipeline, go on. */
export function ResumeDialog({ target, onClose }: { target: PauseTarget; onClose(): void }) {
  const resume = useResume();
  const name = target.schedule ?? `all schedules of ${target.pipeline}`;
  return (
    <DeedDialog
      open
      onClose={onClose}
      title={`Resume ${name}`}
      about="Also if the file or a pause of the whole pipeline stops it. Late planned times are caught up on as its catch-up says."
      deed={`Resume ${target.schedule ?? "all"}`}
      busy={resume.isPending}
      error={resume.error}
      onDo={(comment) => resume.mutate({ ...target, until: null, comment }, { onSuccess: onClose })}
    />
  );
}

/** Fire a schedule now, or for a planned time that has come. */
export function FireDialog({ schedule, onClose }: { schedule: ScheduleState; onClose(): void }) {
  const [which, setWhich] = useState<"now" | "planned">("now");
  const [planned, setPlanned] = useState("");
  const [unplanned, setUnplanned] = useState(false);
  const fire = useFire(schedule);
  const zone = schedule.spec.zone;
  return (
    <DeedDialog
      open
      onClose={onClose}
      title={`Fire ${schedule.schedule}`}
      about={`Once, whatever its pause, its calendars and its overlap say. It publishes one ${schedule.spec.triggers}, which opens a run.`}
      deed={which === "now" ? "Fire now" : "Fire for this time"}
      missing={which === "planned" && !planned ? "Say for which time" : undefined}
      busy={fire.isPending}
      error={fire.error}
      onDo={(comment) =>
        fire.mutate(
          { planned: which === "now" ? "now" : planned, unplanned, comment },
          { onSuccess: onClose },
        )
      }
    >
      <div className="deed-field">
        <span>For</span>
        <Segments<"now" | "planned">
          label="For"
          value={which}
          onChange={setWhich}
          segments={[
            { value: "now", label: "now" },
            { value: "planned", label: "a planned time" },
          ]}
        />
      </div>
      {which === "planned" && (
        <>
          <label className="deed-field">
            <span>Time</span>
            <input
              className="input"
              type="datetime-local"
              value={planned}
              onChange={(event) => setPlanned(event.target.value)}
            />
            <small>in {zone}, where the schedule is planned</small>
          </label>
          <label className="check-field">
            <input
              type="checkbox"
              checked={unplanned}
              onChange={(event) => setUnplanned(event.target.checked)}
            />
            <span>also if it is no planned time of {schedule.schedule}</span>
          </label>
        </>
      )}
      {schedule.last && (
        <p className="deed-note">
          It fired last for {formatBoth(Date.parse(schedule.last.planned)).split("\n")[0]}.
        </p>
      )}
    </DeedDialog>
  );
}
