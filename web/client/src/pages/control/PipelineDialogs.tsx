/** How is a whole pipeline drained, or restarted? */

import { useState } from "react";
import { DeedDialog } from "@/ui/DeedDialog";
import { ChoiceField } from "@/ui/DeedFields";
import { hoursFromNow, UntilField, type UntilValue } from "@/ui/UntilField";
import { stageNames, useDrain, useOptions, useRestart } from "./queries";

interface PipelineDialogProps {
  pipeline: string;
  onClose(): void;
}

/** Let roots wait until everything else has gone through. */
export function DrainDialog({ pipeline, onClose }: PipelineDialogProps) {
  const [until, setUntil] = useState<UntilValue>(() => hoursFromNow(1));
  const drain = useDrain(pipeline);
  return (
    <DeedDialog
      open
      onClose={onClose}
      title={`Drain ${pipeline}`}
      about="New roots wait; what is in flight goes through to its end."
      deed={`Drain ${pipeline}`}
      missing={until === undefined ? "Say until when" : undefined}
      busy={drain.isPending}
      error={drain.error}
      onDo={(comment) =>
        until !== undefined && drain.mutate({ until, comment }, { onSuccess: onClose })
      }
    >
      <UntilField onChange={setUntil} />
    </DeedDialog>
  );
}

/** Restart the processes of a stage, or of every stage, wherever they run. */
export function RestartDialog({ pipeline, onClose }: PipelineDialogProps) {
  const options = useOptions(pipeline);
  const [stage, setStage] = useState("");
  const restart = useRestart(pipeline);
  return (
    <DeedDialog
      open
      onClose={onClose}
      title="Restart processes"
      about="Each supervisor that runs now drains them and starts them again, once. Nothing is lost."
      deed={stage ? `Restart ${stage}` : `Restart all of ${pipeline}`}
      comment={false}
      busy={restart.isPending}
      error={restart.error}
      onDo={() => restart.mutate(stage || null, { onSuccess: onClose })}
    >
      <ChoiceField
        label="Stage"
        value={stage}
        onChange={setStage}
        choices={[{ value: "", label: `every stage of ${pipeline}` }, ...stageNames(options.data)]}
      />
    </DeedDialog>
  );
}
