/** What would happen next, what is now, and what has happened? */

import type { ReactNode } from "react";
import { Age, Until } from "@/ui/figures";
import { formatCount } from "@/ui/format";
import { Icon, type IconName } from "@/ui/Icon";
import { SafeText } from "@/ui/JsonView";
import { Moment as At } from "@/ui/Moment";
import { states, type Tone } from "@/ui/State";
import { lookOf } from "./incidentLook";
import type { Incident, Moment } from "./incidentQueries";

/** From what would happen next (dashed) through now (washed) back to the opening. */
export function Timeline({ incident }: { incident: Incident }) {
  const past = [...incident.history].reverse();
  const firstEarlier = past.findIndex((each) => each.earlier);
  return (
    <ol className="timeline">
      <NextLines incident={incident} />
      {incident.resolved === null && <NowLine incident={incident} />}
      {past.map((moment, index) => (
        <PastLine
          key={`${moment.at}${moment.what}${index}`}
          moment={moment}
          turn={index === firstEarlier && index > 0}
          incident={incident}
          again={moment.what === "opened" && !moment.earlier && firstEarlier >= 0}
        />
      ))}
      {past.length === 0 && (
        <Line at={incident.opened} icon={stateOf(incident).icon} tone={stateOf(incident).tone}>
          <b className={`tone-${stateOf(incident).tone}`}>opened</b>{" "}
          <SafeText text={incident.title} />
        </Line>
      )}
    </ol>
  );
}

function NextLines({ incident }: { incident: Incident }) {
  const { next } = incident;
  // Nobody is told where no route takes it: that is no thing to come.
  if (incident.resolved !== null || !next || next.to.length === 0) return null;
  return (
    <Line kind="next" at={next.at} icon="up" tone="quiet">
      <b className="tone-quiet">would tell</b> <SafeText text={next.to.join(", ")} />
      {next.if_it_grows ? ", if it grows, " : " "}
      unless acknowledged{" "}
      <span className="faint">
        in <Until at={next.at} />
      </span>
    </Line>
  );
}

function NowLine({ incident }: { incident: Incident }) {
  const { tone } = stateOf(incident);
  return (
    <Line kind="now" at={Date.now()} icon="grew" tone={tone}>
      <b className={`tone-${tone}`}>now</b>{" "}
      {incident.kind === "dead" ? (
        <>
          <b className="strong">{formatCount(incident.count)}</b>{" "}
          {incident.count === 1 ? "event has died" : "events have died"}, the last{" "}
          <Age since={incident.last} /> ago
        </>
      ) : (
        <SafeText text={incident.said || incident.title} />
      )}
    </Line>
  );
}

interface MomentLook {
  word: string;
  icon: IconName;
  tone: Tone;
}

const moments: Record<string, MomentLook> = {
  grew: { word: "grew", icon: "grew", tone: "late" },
  told: { word: "told", icon: "told", tone: "quiet" },
  acknowledged: { word: "acknowledged", icon: "completed", tone: "ok" },
  muted: { word: "snoozed", icon: "snooze", tone: "quiet" },
  unmuted: { word: "woken", icon: "bell", tone: "quiet" },
  resolved: { word: "resolved", icon: "handled", tone: "ok" },
};

function PastLine({
  moment,
  turn,
  again,
  incident,
}: {
  moment: Moment;
  turn: boolean;
  again: boolean;
  incident: Incident;
}) {
  const opened = { word: "opened", icon: stateOf(incident).icon, tone: stateOf(incident).tone };
  const look = moments[moment.what] ?? opened;
  return (
    <Line kind={turn ? "turn" : undefined} at={moment.at} icon={look.icon} tone={look.tone}>
      <b className={`tone-${look.tone}`}>{again ? "opened again" : look.word}</b>{" "}
      <MomentWords moment={moment} />
    </Line>
  );
}

function MomentWords({ moment }: { moment: Moment }): ReactNode {
  const { what, by, text } = moment;
  if (what === "told")
    return (
      <>
        <SafeText text={by} />
        {text === "resolved" ? " that it is over" : text === "growing" ? " that it grows" : ""}
      </>
    );
  if (what === "acknowledged" || what === "muted" || what === "unmuted")
    return (
      <>
        {moment.until && (
          <>
            until <At at={moment.until} />{" "}
          </>
        )}
        {by && (
          <>
            by <SafeText text={by} />
          </>
        )}
        {text && (
          <>
            :{" "}
            <q>
              <SafeText text={text} />
            </q>
          </>
        )}
      </>
    );
  return <SafeText text={text} />;
}

function Line({
  kind,
  at,
  icon,
  tone,
  children,
}: {
  kind?: "next" | "now" | "turn" | undefined;
  at: string | number;
  icon: IconName;
  tone: Tone;
  children: ReactNode;
}) {
  return (
    <li className={kind}>
      <At at={at} show="time" />
      <span className="dot">
        <Icon name={icon} className={`tone-${tone}`} />
      </span>
      <p>{children}</p>
    </li>
  );
}

function stateOf(incident: Incident): { icon: IconName; tone: Tone } {
  return states[lookOf(incident).state];
}
