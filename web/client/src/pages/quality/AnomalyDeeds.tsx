/** Is this normal, or is nobody to be told of it for a while? */

import { useState } from "react";
import { DeedDialog } from "@/ui/DeedDialog";
import { ChoiceField } from "@/ui/DeedFields";
import { Moment } from "@/ui/Moment";
import { hoursFromNow, UntilField, type UntilValue } from "@/ui/UntilField";
import { WriteButton } from "@/ui/WriteButton";
import { ignoreChoices } from "./anomalyList";
import { numberName } from "./measured";
import { type Anomaly, useExpect, useIgnore } from "./queries";

/** The two buttons, and what became of what was asked. */
export function AnomalyDeeds({ pipeline, anomaly }: { pipeline: string; anomaly: Anomaly }) {
  const [asked, ask] = useState<"expect" | "ignore">();
  const expected = useExpect(pipeline, anomaly.id);
  const ignored = useIgnore(pipeline);
  const close = () => ask(undefined);
  const known = anomaly.state === "expected" ? "It is taken as normal already" : undefined;
  return (
    <>
      <p className="verbs">
        <WriteButton refusal={known} onClick={() => ask("expect")}>
          This is normal…
        </WriteButton>
        <WriteButton onClick={() => ask("ignore")}>Ignore…</WriteButton>
      </p>
      <p className="small soft" role="status">
        {expected.data &&
          (expected.data.taken
            ? "Taken as normal: it was learnt, and its incident is over. "
            : "Written. The lane that watches the pipeline takes it as soon as it runs. ")}
        {ignored.data && (
          <>
            {numberName(ignored.data)} is not told{" "}
            {ignored.data.until ? (
              <>
                until <Moment at={ignored.data.until} />
              </>
            ) : (
              "until somebody lets it be told again"
            )}
            .
          </>
        )}
      </p>
      {asked === "expect" && (
        <DeedDialog
          open
          onClose={close}
          title={`Take ${numberName(anomaly)} as normal`}
          about="What was measured is learnt, and its incident is over. For 90 days no deviation of the same numbers is told that is no larger."
          deed="Take as normal"
          comment="required"
          busy={expected.isPending}
          error={expected.error}
          onDo={(reason) => expected.mutate(reason, { onSuccess: close })}
        />
      )}
      {asked === "ignore" && <IgnoreDialog anomaly={anomaly} ignored={ignored} onClose={close} />}
    </>
  );
}

function IgnoreDialog({
  anomaly,
  ignored,
  onClose,
}: {
  anomaly: Anomaly;
  ignored: ReturnType<typeof useIgnore>;
  onClose(): void;
}) {
  const choices = ignoreChoices(anomaly);
  const [label, setLabel] = useState(choices[0]?.label ?? "");
  const [until, setUntil] = useState<UntilValue>(() => hoursFromNow(24));
  const choice = choices.find((one) => one.label === label);
  return (
    <DeedDialog
      open
      onClose={onClose}
      title="Ignore numbers about runs"
      about="They are learnt as before, and nobody is told when they are unusual."
      deed="Ignore"
      comment="required"
      missing={until === undefined ? "Say until when" : undefined}
      busy={ignored.isPending}
      error={ignored.error}
      onDo={(reason) => {
        if (choice && until !== undefined)
          ignored.mutate({ numbers: choice.numbers, reason, until }, { onSuccess: onClose });
      }}
    >
      <ChoiceField
        label="What"
        value={label}
        onChange={setLabel}
        choices={choices.map((one) => one.label)}
      />
      <UntilField initial="1d" onChange={setUntil} />
    </DeedDialog>
  );
}
