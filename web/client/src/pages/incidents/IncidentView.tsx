/** What has happened, who has been told, and what can be done? */

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Age, Duration } from "@/ui/figures";
import { formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { CopyId, RunId } from "@/ui/RunId";
import { State, states } from "@/ui/State";
import { Decide } from "./Decide";
import { Subject } from "./IncidentRow";
import { lookOf, reasonOf } from "./incidentLook";
import { type Incident, useIncident } from "./incidentQueries";
import { Samples } from "./Samples";
import { Timeline } from "./Timeline";
import { WhoIsTold } from "./WhoIsTold";

/** One incident from its cause down to what happened at the same time. */
export function IncidentView({
  id,
  steps,
  onDone,
}: {
  id: string;
  steps: ReactNode;
  onDone(): void;
}) {
  const query = useIncident(id);
  const incident = query.data;
  if (!incident)
    return (
      <article className="letter one-inc">
        {query.error ? (
          <ErrorNote error={query.error} what="This incident" onRetry={() => query.refetch()} />
        ) : (
          <Loading rows={6} label="Incident" />
        )}
      </article>
    );
  const look = lookOf(incident);
  const { error, text } = reasonOf(incident);
  const tone = states[look.state].tone;
  return (
    <article className="letter one-inc" aria-label={`Incident ${incident.id}`}>
      <header>
        <div>
          <p className="small crumb">
            <SafeText text={incident.pipeline} />
            <Icon name="right" />
            {incident.stage && (
              <>
                <Link
                  to="/pipelines/$pipeline"
                  params={{ pipeline: incident.pipeline }}
                  search={{ stage: incident.stage }}
                >
                  <SafeText text={incident.stage} />
                </Link>
                <Icon name="right" />
              </>
            )}
            <CopyId id={incident.id} whole />
          </p>
          <h2 className="inc-name">
            <Subject incident={incident} /> {look.verb} <IncidentState incident={incident} />
          </h2>
        </div>
        {steps}
      </header>
      <div className={tone === "dead" ? "cause" : `cause ${tone}`}>
        <p>
          {error && (
            <b>
              <SafeText text={error} />:
            </b>
          )}{" "}
          <SafeText text={text} />
        </p>
      </div>
      <Decide key={incident.id} incident={incident} onDone={onDone} />
      <SaidOfIt incident={incident} />
      <IncidentFacts incident={incident} />
      <div className="inc-body">
        <section>
          <div className="sect-head">
            <h2>What happened</h2>
            <p className="note">newest first</p>
          </div>
          <Timeline incident={incident} />
        </section>
        <section>
          <WhoIsTold incident={incident} />
          <Samples incident={incident} />
          <SameTime incident={incident} />
        </section>
      </div>
    </article>
  );
}

/** What an alert says beside its text: by how much, which values changed, what happened meanwhile. */
function SaidOfIt({ incident }: { incident: Incident }) {
  if (incident.facts.length === 0) return null;
  return (
    <dl className="lines said">
      {incident.facts.map(({ name, text }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <SafeText text={text} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function IncidentState({ incident }: { incident: Incident }) {
  switch (incident.state) {
    case "acknowledged":
      return <State of="completed">acknowledged</State>;
    case "muted":
      return (
        <State of="snoozed">
          snoozed until <Moment at={incident.muted_until} />
        </State>
      );
    case "resolved":
      return <State of="resolved" />;
    default:
      return <State of="unacknowledged" />;
  }
}

function IncidentFacts({ incident }: { incident: Incident }) {
  const { before_opened: from, before_resolved: until } = incident;
  const tone = states[lookOf(incident).state].tone;
  const route =
    incident.route === null ? "no route takes it" : `route ${incident.route} of ${incident.routes}`;
  return (
    <dl className="facts">
      <div>
        <dt>{incident.resolved ? "Was open for" : "Open for"}</dt>
        <dd>
          {incident.resolved ? (
            <Duration ms={Date.parse(incident.resolved) - Date.parse(incident.opened)} />
          ) : (
            <Age since={incident.opened} tone={tone} strong />
          )}
          <small>
            since <Moment at={incident.opened} />
          </small>
        </dd>
      </div>
      {from && until && (
        <div>
          <dt>Before that</dt>
          <dd>
            <Duration ms={Date.parse(until) - Date.parse(from)} />
            <small>
              <Moment at={from} /> to <Moment at={until} show="time" />
            </small>
          </dd>
        </div>
      )}
      {incident.kind === "dead" ? (
        <div>
          <dt>Died</dt>
          <dd>
            <span className="tone-dead strong">{formatCount(incident.count)}</span>{" "}
            <span className="unit">events</span>
            <small>
              the last <Moment at={incident.last} />
            </small>
          </dd>
        </div>
      ) : (
        incident.lanes.length > 0 && (
          <div>
            <dt>Lanes</dt>
            <dd>
              <span className="strong">{incident.lanes.join(", ")}</span>
              <small>
                {incident.lanes.length === 1 ? "1 lane" : `${incident.lanes.length} lanes`}
              </small>
            </dd>
          </div>
        )
      )}
      {incident.run && (
        <div>
          <dt>Run</dt>
          <dd>
            <RunId id={incident.run} whole accent />
          </dd>
        </div>
      )}
      {incident.schedule && (
        <div>
          <dt>Schedule</dt>
          <dd>
            <Link
              className="link"
              to="/schedules"
              search={{ pipeline: incident.pipeline, name: incident.schedule }}
            >
              <SafeText text={incident.schedule} />
            </Link>
          </dd>
        </div>
      )}
      <div>
        <dt>Kind</dt>
        <dd>
          <SafeText text={incident.kind === "dead" ? incident.error : incident.kind} />
          <small>{route}</small>
        </dd>
      </div>
    </dl>
  );
}

function SameTime({ incident }: { incident: Incident }) {
  if (incident.same_time.length === 0) return null;
  return (
    <>
      <div className="sect-head gap-top">
        <h2>At the same time</h2>
      </div>
      <ul className="same-time">
        {incident.same_time.map((each) => (
          <li key={`${each.at}${each.text}`}>
            <Moment at={each.at} show="time" />
            {each.incident ? (
              <>
                <Link className="medium" to="/incidents" search={{ id: each.incident }}>
                  <SafeText text={each.text} />
                </Link>
                <span className="faint">another incident</span>
              </>
            ) : (
              <>
                <span className="medium">
                  <SafeText text={each.text} />
                </span>
                <span className="faint">applied</span>
              </>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
