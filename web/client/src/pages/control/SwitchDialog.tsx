/** How is a stage, or a whole pipeline, switched to another mode? */

import { useState } from "react";
import { DeedDialog } from "@/ui/DeedDialog";
import { ChoiceField, TextField } from "@/ui/DeedFields";
import { Segments } from "@/ui/Segments";
import { hoursFromNow, UntilField, type UntilValue } from "@/ui/UntilField";
import { type Mode, type Options, stageNames, useOptions, useSwitch } from "./queries";

const MODES: readonly Mode[] = ["hold", "bypass", "shadow", "canary"];
const ABOUT: Record<Mode, string> = {
  on: "It works as the file says, from where it stands: nothing was lost meanwhile.",
  hold: "It takes nothing and keeps its place; what comes waits.",
  bypass: "Its events go on as they came, its function is not called.",
  shadow: "A candidate is called beside its function; nothing of it is emitted.",
  canary: "A candidate handles a share of the keys; it ends by itself if it is worse.",
};

/** How the select says “the whole pipeline”, which is no name of a stage. */
const ALL = "*";

interface SwitchDialogProps {
  pipeline: string;
  /** What is changed: another mode or another stage cannot be chosen. */
  initial?: { stage: string; mode: Exclude<Mode, "on">; run: string };
  /** The stage that is meant, and whether something is in force of it. */
  of?: { stage: string; isOn: boolean };
  onClose(): void;
}

/** Stage, mode, candidate, share, until when and why. */
export function SwitchDialog({ pipeline, initial, of, onClose }: SwitchDialogProps) {
  const options = useOptions(pipeline);
  const named = initial?.stage ?? of?.stage;
  // Nothing is chosen at first: a whole pipeline is not put on hold by a button that was there.
  const [stage, setStage] = useState(named ?? "");
  const [mode, setMode] = useState<Mode>(initial?.mode ?? (of && !of.isOn ? "on" : "hold"));
  const [run, setRun] = useState(initial?.run ?? "");
  const [share, setShare] = useState("10%");
  const [effects, setEffects] = useState(false);
  const [until, setUntil] = useState<UntilValue>(() => hoursFromNow(1));
  const change = useSwitch(pipeline);
  const hasCandidate = mode === "shadow" || mode === "canary";
  const name = stage === ALL ? pipeline : stage;
  const refusals = refusalsOf(options.data, stage);
  const ends = mode === "on" ? null : until;
  const missing =
    (stage ? undefined : "Choose a stage") ??
    refusals[mode] ??
    (ends === undefined
      ? "Say until when"
      : hasCandidate && !run
        ? "Name the candidate: package.module:function"
        : undefined);
  return (
    <DeedDialog
      open
      onClose={onClose}
      title={initial ? `Change the ${mode} of ${stage}` : `Switch ${named ?? "a stage"}`}
      about={ABOUT[mode]}
      deed={deedText(mode, name)}
      missing={missing}
      busy={change.isPending}
      error={change.error}
      onDo={(comment) =>
        ends !== undefined &&
        change.mutate(
          {
            mode,
            stage: stage === ALL ? null : stage,
            run: hasCandidate ? run.trim() : "",
            share: hasCandidate && share.trim() ? share.trim() : null,
            allow_effects: hasCandidate && effects,
            until: ends,
            comment,
          },
          { onSuccess: onClose },
        )
      }
    >
      {named === undefined && (
        <ChoiceField
          label="Stage"
          value={stage}
          onChange={setStage}
          unchosen="choose"
          choices={[
            ...stageNames(options.data),
            { value: ALL, label: `all stages of ${pipeline}` },
          ]}
        />
      )}
      {!initial && (
        <div className="deed-field">
          <span>Mode</span>
          <Segments<Mode>
            label="Mode"
            value={mode}
            onChange={setMode}
            segments={(of && !of.isOn ? (["on", ...MODES] as const) : MODES).map((each) => ({
              value: each,
              label: each,
              refusal: each === mode ? undefined : refusals[each],
            }))}
          />
          {refusals[mode] && <small className="tone-late">{refusals[mode]}</small>}
        </div>
      )}
      {hasCandidate && (
        <>
          <TextField
            label="Candidate"
            kind="code"
            value={run}
            placeholder="package.module:function"
            onChange={setRun}
          />
          <TextField
            label="Share"
            kind="short"
            value={share}
            placeholder="10%"
            onChange={setShare}
            note={mode === "canary" ? "of the keys; at most 50 % to compare" : "of the events"}
          />
          <label className="check-field">
            <input
              type="checkbox"
              checked={effects}
              onChange={(event) => setEffects(event.target.checked)}
            />
            <span>also if the stage writes to the outside, and so would the candidate</span>
          </label>
        </>
      )}
      {mode !== "on" && <UntilField onChange={setUntil} />}
      {ends === null && mode === "hold" && (
        <p className="deed-note">
          <b className="tone-wait">No end set</b>: what comes waits until somebody releases it.
        </p>
      )}
    </DeedDialog>
  );
}

/** Why the stage cannot have a mode, by mode. */
function refusalsOf(options: Options | undefined, stage: string): Partial<Record<Mode, string>> {
  if (stage === ALL) {
    const why = "A whole pipeline can only be on hold";
    return { bypass: why, shadow: why, canary: why };
  }
  return options?.stages.find((each) => each.stage === stage)?.obstacles ?? {};
}

function deedText(mode: Mode, name: string): string {
  if (mode === "on") return `Switch ${name} on`;
  if (mode === "hold") return `Hold ${name}`.trim();
  return mode === "bypass" ? `Bypass ${name}` : `Start ${mode} of ${name}`;
}
