/** How is the rate of a stage, of the roots or of a limit set? */

import { useState } from "react";
import { DeedDialog } from "@/ui/DeedDialog";
import { ChoiceField, TextField } from "@/ui/DeedFields";
import { Segments } from "@/ui/Segments";
import { hoursFromNow, UntilField, type UntilValue } from "@/ui/UntilField";
import { stageNames, useOptions, useThrottle } from "./queries";

type Kind = "stage" | "roots" | "limit";

interface ThrottleDialogProps {
  pipeline: string;
  initial?: { kind: Kind; target: string };
  onClose(): void;
}

/** Of what, how fast, until when and why. */
export function ThrottleDialog({ pipeline, initial, onClose }: ThrottleDialogProps) {
  const options = useOptions(pipeline);
  const [kind, setKind] = useState<Kind>(initial?.kind ?? "stage");
  const [target, setTarget] = useState(initial?.target ?? "");
  const [rate, setRate] = useState("");
  const [perKey, setPerKey] = useState("");
  const [until, setUntil] = useState<UntilValue>(() => hoursFromNow(1));
  const change = useThrottle(pipeline);
  const names =
    kind === "stage"
      ? stageNames(options.data)
      : kind === "limit"
        ? (options.data?.limits ?? [])
        : [];
  const chosen = kind === "roots" ? "" : target || names[0] || "";
  const obstacle = options.data?.stages.find((each) => each.stage === chosen)?.throttle_obstacle;
  const missing =
    kind !== "roots" && !chosen
      ? "There is nothing to choose from"
      : kind === "stage" && obstacle
        ? obstacle
        : !rate.trim() && !perKey.trim()
          ? "Write a rate, such as 100/s"
          : until === undefined
            ? "Say until when"
            : undefined;
  const noLimits = options.data?.limits.length === 0 ? "The file has no limits" : undefined;
  return (
    <DeedDialog
      open
      onClose={onClose}
      title={initial ? `Throttle ${initial.target || pipeline}` : "Throttle"}
      about="Lanes share it by their backlogs; what comes faster waits, nothing is lost."
      deed={`Throttle ${chosen || `the roots of ${pipeline}`}`}
      missing={missing}
      busy={change.isPending}
      error={change.error}
      onDo={(comment) =>
        until !== undefined &&
        change.mutate(
          {
            stage: kind === "stage" ? chosen : "",
            limit: kind === "limit" ? chosen : "",
            rate: rate.trim() || null,
            per_key: kind === "stage" ? perKey.trim() || null : null,
            until,
            comment,
          },
          { onSuccess: onClose },
        )
      }
    >
      {!initial && (
        <div className="deed-field">
          <span>Of</span>
          <Segments<Kind>
            label="Of"
            value={kind}
            onChange={(next) => {
              setKind(next);
              setTarget("");
            }}
            segments={[
              { value: "stage", label: "a stage" },
              { value: "roots", label: "the roots" },
              { value: "limit", label: "a limit", refusal: noLimits },
            ]}
          />
        </div>
      )}
      {kind !== "roots" && !initial && (
        <ChoiceField
          label={kind === "stage" ? "Stage" : "Limit"}
          value={chosen}
          onChange={setTarget}
          choices={names}
        />
      )}
      <TextField
        label="Rate"
        kind="short"
        value={rate}
        placeholder="100/s, 500 lines/s, off"
        onChange={setRate}
      />
      {kind === "stage" && (
        <TextField
          label="Each key"
          kind="short"
          value={perKey}
          placeholder="10/s, if you like"
          onChange={setPerKey}
        />
      )}
      <UntilField onChange={setUntil} />
    </DeedDialog>
  );
}
