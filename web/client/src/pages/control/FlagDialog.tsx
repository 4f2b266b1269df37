/** How is a flag set? */

import { useState } from "react";
import { DeedDialog } from "@/ui/DeedDialog";
import { ChoiceField, TextField } from "@/ui/DeedFields";
import { hoursFromNow, UntilField, type UntilValue } from "@/ui/UntilField";
import { stageNames, useFlag, useOptions } from "./queries";

/** Which flag, which value, for which events, until when and why. */
export function FlagDialog({ pipeline, onClose }: { pipeline: string; onClose(): void }) {
  const options = useOptions(pipeline);
  const flags = options.data?.flags ?? [];
  const [named, setNamed] = useState("");
  const [value, setValue] = useState("");
  const [stage, setStage] = useState("");
  const [share, setShare] = useState("");
  const [when, setWhen] = useState("");
  const [until, setUntil] = useState<UntilValue>(() => hoursFromNow(1));
  const change = useFlag(pipeline);
  const flag = flags.find((each) => each.flag === named) ?? flags[0];
  const missing = !flag
    ? "The file has no flags"
    : !value.trim()
      ? "Write a value"
      : until === undefined
        ? "Say until when"
        : undefined;
  return (
    <DeedDialog
      open
      onClose={onClose}
      title="Set a flag"
      about={flag?.description || "What functions are told by context.flag."}
      deed={`Set ${flag?.flag ?? "the flag"}`}
      missing={missing}
      busy={change.isPending}
      error={change.error}
      onDo={(comment) =>
        flag &&
        until !== undefined &&
        change.mutate(
          {
            flag: flag.flag,
            value: value.trim(),
            stage,
            share: share.trim() || null,
            when: when.trim(),
            until,
            comment,
          },
          { onSuccess: onClose },
        )
      }
    >
      {options.data && flags.length === 0 && (
        <p className="deed-note">
          The file of {pipeline} has no flags. They stand there under <code>flags:</code>, each with
          its type and what it is by default.
        </p>
      )}
      <ChoiceField
        label="Flag"
        value={flag?.flag ?? ""}
        onChange={setNamed}
        choices={flags.map((each) => each.flag)}
      />
      <TextField
        label="Value"
        kind="code"
        value={value}
        placeholder={flag?.type === "text" ? "the text itself" : "as JSON"}
        onChange={setValue}
        note={
          flag && (
            <>
              {flag.type}, else <code>{JSON.stringify(flag.default)}</code>
            </>
          )
        }
      />
      <ChoiceField
        label="Stage"
        value={stage}
        onChange={setStage}
        choices={[{ value: "", label: "all stages" }, ...stageNames(options.data)]}
      />
      <TextField
        label="Share"
        kind="short"
        value={share}
        placeholder="5%; empty for all"
        onChange={setShare}
      />
      <TextField
        label="When"
        kind="code"
        value={when}
        placeholder="a condition in CEL; empty for all"
        onChange={setWhen}
      />
      <UntilField onChange={setUntil} />
    </DeedDialog>
  );
}
