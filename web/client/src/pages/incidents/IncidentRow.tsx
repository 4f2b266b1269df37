/** What does the list say of one incident? */

import { Age, Until } from "@/ui/figures";
import { cutMiddle } from "@/ui/format";
import { SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { State, type StateName } from "@/ui/State";
import { lookOf, reasonOf, subjectOf } from "./incidentLook";
import type { Summary } from "./incidentQueries";

const DAY = 86_400_000;

/** Name and state, why, and who is told next or has it in hand. */
export function IncidentRow({ incident, several }: { incident: Summary; several: boolean }) {
  const look = lookOf(incident);
  const { error, text } = reasonOf(incident);
  const inHand = inHandState(incident);
  return (
    <>
      <span className="row">
        <State of={inHand ?? look.state} {...(inHand ? { tone: "quiet" as const } : {})}>
          <b>
            {several && <span className="faint">{incident.pipeline} </span>}
            <Subject incident={incident} />
          </b>{" "}
          {look.word}
        </State>
        <span className="faint">
          <Since incident={incident} />
        </span>
      </span>
      <p>
        {error && (
          <>
            <SafeText text={error} />:{" "}
          </>
        )}
        <SafeText text={text} />
      </p>
      <span className="row small faint">
        <span>
          {incident.severity !== "notify" && <b>{incident.severity}; </b>}
          <ToldWords incident={incident} />
        </span>
      </span>
    </>
  );
}

/** The name of what it is about; a run's id is cut in its middle. */
export function Subject({ incident }: { incident: Summary }) {
  const name = subjectOf(incident);
  if (!incident.stage && !incident.schedule && incident.run)
    return (
      <>
        run <span className="id">{cutMiddle(name)}</span>
      </>
    );
  return <SafeText text={name} />;
}

function inHandState(incident: Summary): StateName | undefined {
  if (incident.state === "acknowledged") return "completed";
  if (incident.state === "muted") return "snoozed";
  return incident.state === "resolved" ? "handled" : undefined;
}

function Since({ incident }: { incident: Summary }) {
  const opened = Date.parse(incident.opened);
  if (incident.resolved)
    return (
      <>
        until <Moment at={incident.resolved} />
      </>
    );
  if (incident.state === "open" && Date.now() - opened < DAY / 2)
    return <Age since={incident.opened} />;
  return (
    <>
      since <Moment at={incident.opened} />
    </>
  );
}

/** `told 2 channels; ops@example.com in 3 min 57 s`, `acknowledged 14:02 by ops2@desk` */
function ToldWords({ incident }: { incident: Summary }) {
  if (incident.state === "acknowledged")
    return (
      <>
        acknowledged <Moment at={incident.acknowledged_at} />
        {incident.acknowledged_by && (
          <>
            {" "}
            by <SafeText text={incident.acknowledged_by} />
          </>
        )}
        <NoteWords note={incident.note} />
      </>
    );
  if (incident.state === "muted")
    return (
      <>
        snoozed until <Moment at={incident.muted_until} />
        {incident.muted_by && (
          <>
            {" "}
            by <SafeText text={incident.muted_by} />
          </>
        )}
        <NoteWords note={incident.note} />
      </>
    );
  if (incident.state === "resolved") return <>{told(incident)}</>;
  if (incident.next?.to.length === 0 && incident.told.length + incident.waiting === 0)
    return <>nobody is told: no route takes it</>;
  return (
    <>
      {told(incident)}; <NextWords incident={incident} />
    </>
  );
}

function NoteWords({ note }: { note: string }) {
  if (!note) return null;
  return (
    <>
      :{" "}
      <q>
        <SafeText text={note} />
      </q>
    </>
  );
}

function told(incident: Summary): string {
  const told = incident.told.length;
  if (told > 0) return `told ${told === 1 ? incident.told[0] : `${told} people or channels`}`;
  return incident.waiting > 0 ? `${incident.waiting} not delivered yet` : "nobody told yet";
}

function NextWords({ incident }: { incident: Summary }) {
  const { next } = incident;
  if (!next) return <>nobody further</>;
  if (next.to.length === 0) return <>no route tells anybody</>;
  const whom = next.to.length === 1 ? next.to[0] : `${next.to.length} more`;
  const due = Date.parse(next.at) > Date.now();
  return (
    <b className="soft">
      <SafeText text={whom ?? ""} />{" "}
      {due ? (
        <>
          in <Until at={next.at} />
        </>
      ) : (
        "now"
      )}
      {next.if_it_grows && ", if it grows"}
    </b>
  );
}
