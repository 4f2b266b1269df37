/** Who takes care of an incident, and for how long is nothing sent about it? */

import { useState } from "react";
import { send } from "@/api/client";
import { asProblem } from "@/api/problem";
import { Dialog } from "@/ui/Dialog";
import { Moment } from "@/ui/Moment";
import { sentence } from "@/ui/PageStates";
import { Segments } from "@/ui/Segments";
import { WriteButton } from "@/ui/WriteButton";
import { subjectOf } from "./incidentLook";
import type { Incident } from "./incidentQueries";

const SNOOZE_MINUTES = 15;

/** A note with acknowledge, snooze and mute; below it what that ends. */
export function Decide({ incident, onDone }: { incident: Incident; onDone(): void }) {
  const [note, setNote] = useState("");
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ tone: string; text: string }>();
  const [muting, setMuting] = useState(false);
  if (incident.resolved !== null) return null;
  const path = { incident: incident.id };
  const act = async (deed: () => Promise<unknown>, text: string) => {
    setBusy(true);
    setSaid(undefined);
    try {
      await deed();
      setNote("");
      setSaid({ tone: "tone-ok", text });
      onDone();
    } catch (error) {
      setSaid({ tone: "tone-late", text: `${sentence(asProblem(error).message)}.` });
    } finally {
      setBusy(false);
    }
  };
  const acknowledge = () =>
    act(
      () =>
        send("post", "/api/v1/incidents/{incident}/acknowledge", { path, body: { comment: note } }),
      "Written; the notifier takes it up at once.",
    );
  const mute = (minutes: number, whole: boolean, text: string) =>
    act(
      () =>
        send("post", "/api/v1/incidents/{incident}/mute", {
          path,
          body: { minutes, whole_stage: whole, comment: note },
        }),
      text,
    );
  return (
    <form
      className="decide"
      onSubmit={(event) => {
        event.preventDefault();
        void acknowledge();
      }}
    >
      <input
        className="input"
        aria-label="Note"
        placeholder="Note: what you know, what you do"
        maxLength={1000}
        value={note}
        onChange={(event) => setNote(event.target.value)}
      />
      <WriteButton type="submit" kind="primary" icon="completed" busy={busy}>
        {incident.state === "acknowledged" ? "Acknowledge again" : "Acknowledge"}
      </WriteButton>
      {incident.state === "muted" ? (
        <WriteButton
          icon="bell"
          busy={busy}
          onClick={() => mute(0, false, "It is heard of again.")}
        >
          Wake
        </WriteButton>
      ) : (
        <WriteButton
          icon="snooze"
          busy={busy}
          onClick={() => mute(SNOOZE_MINUTES, false, `Nothing is sent for ${SNOOZE_MINUTES} min.`)}
        >
          Snooze {SNOOZE_MINUTES} min
        </WriteButton>
      )}
      <WriteButton icon="mute" busy={busy} onClick={() => setMuting(true)}>
        Mute…
      </WriteButton>
      <p className="label" role="status">
        {said ? <span className={said.tone}>{said.text}</span> : <WhatItEnds incident={incident} />}
      </p>
      <MuteDialog
        incident={incident}
        open={muting}
        onClose={() => setMuting(false)}
        onMute={(minutes, whole) => {
          setMuting(false);
          void mute(minutes, whole, "It is muted.");
        }}
      />
    </form>
  );
}

/** What acknowledging would stop, and how the incident ends. */
function WhatItEnds({ incident }: { incident: Incident }) {
  const { next } = incident;
  return (
    <>
      {next && next.to.length > 0 && (
        <>
          Ends the notices before {next.to.join(", ")} is told at <Moment at={next.at} />
          {next.if_it_grows && " if it grows"}.{" "}
        </>
      )}
      {incident.kind === "dead"
        ? `Resolves by itself after ${Math.round(incident.quiet / 60)} min without a failure.`
        : `Resolves by itself once ${subjectOf(incident)} is well again.`}
    </>
  );
}

const lengths = [
  { value: "60", label: "1 h" },
  { value: "240", label: "4 h" },
  { value: "1440", label: "1 day" },
  { value: "10080", label: "7 days" },
] as const;
type Length = (typeof lengths)[number]["value"];

function MuteDialog({
  incident,
  open,
  onClose,
  onMute,
}: {
  incident: Incident;
  open: boolean;
  onClose(): void;
  onMute(minutes: number, whole: boolean): void;
}) {
  const [length, setLength] = useState<Length>("60");
  const [what, setWhat] = useState<"incident" | "stage">("incident");
  const words = lengths.find((one) => one.value === length)?.label;
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title="Mute"
      about="Nothing is sent for a while. Failures are still counted, and told afterwards."
      actions={
        <>
          <button type="button" className="btn" onClick={onClose}>
            Keep as it is
          </button>
          <WriteButton
            kind="primary"
            onClick={() => onMute(Number(length), what === "stage")}
          >{`Mute for ${words}`}</WriteButton>
        </>
      }
    >
      <div className="mute-choices">
        <span className="soft">For</span>
        <Segments<Length>
          label="For how long"
          segments={lengths}
          value={length}
          onChange={setLength}
        />
        <span className="soft">What</span>
        <Segments<"incident" | "stage">
          label="What is muted"
          value={what}
          onChange={setWhat}
          segments={[
            { value: "incident", label: "This incident" },
            {
              value: "stage",
              label: incident.stage ? `All of ${incident.stage}` : "All of a stage",
              refusal: incident.stage ? undefined : "It is about no stage",
            },
          ]}
        />
      </div>
    </Dialog>
  );
}
