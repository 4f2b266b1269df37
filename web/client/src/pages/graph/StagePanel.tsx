/** What is known of the stage that is selected: why it stands, what waits, its lanes, code, settings? */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { get } from "@/api/client";
import { Count, Duration, Until } from "@/ui/figures";
import { formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { JsonView } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { Bone, ErrorNote } from "@/ui/PageStates";
import { State } from "@/ui/State";
import { lookOf } from "./conditions";
import type { GraphStage, Picture, StageFigures } from "./graphData";
import { StageCharts } from "./StageCharts";
import { StageControls } from "./StageControls";

interface StagePanelProps {
  pipeline: string;
  /** The version that is seen. */
  version: number;
  picture: Picture;
  stage: GraphStage;
  figures: StageFigures | undefined;
  unread: number | undefined;
  onEdge(edge: string): void;
  onClose(): void;
}

export function StagePanel(props: StagePanelProps) {
  const { pipeline, stage, figures, version, onClose } = props;
  const detail = useQuery({
    queryKey: ["stage", pipeline, stage.name, stage.draining ?? version],
    queryFn: ({ signal }) =>
      get("/api/v1/pipelines/{pipeline}/stages/{stage}", {
        path: { pipeline, stage: stage.name },
        query: { version: stage.draining ?? version },
        signal,
      }),
    staleTime: 60_000,
  });
  const place = detail.data?.location;
  return (
    <aside className="side" aria-label={stage.name}>
      <header>
        <div>
          <h2>{stage.name}</h2>
          <span className="id soft" title={stage.run}>
            {place ? `${place.file}:${place.line}` : stage.run || "a program of yours"}
          </span>
        </div>
        <button type="button" className="btn plain" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      {figures && <WhyBox figures={figures} />}
      {stage.said && <p className="side-note small soft">Changed: {stage.said}</p>}
      {figures && <Pairs {...props} figures={figures} />}
      {figures && <StageCharts pipeline={pipeline} stage={stage.name} figures={figures} />}
      {figures && <Lanes pipeline={pipeline} stage={stage.name} />}
      <Events {...props} />
      {stage.draining === null && !stage.external && (
        <StageControls pipeline={pipeline} stage={stage.name} figures={figures} />
      )}
      {detail.isError && <ErrorNote error={detail.error} what="The stage" />}
      <section>
        <h3>
          Settings{" "}
          <span className="unit">
            {pipeline}@{stage.draining ?? version}
          </span>
        </h3>
        <dl className="lines">
          {detail.data?.settings.map(({ name, value }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd title={value}>{value}</dd>
            </div>
          )) ?? <Bone width={200} />}
        </dl>
      </section>
      {detail.data?.accepts && (
        <Folded title="Schema" unit={String(detail.data.accepts["title"] ?? "of what it takes")}>
          <JsonView text={JSON.stringify(detail.data.accepts)} label="JSON Schema" />
        </Folded>
      )}
    </aside>
  );
}

/** A part of the panel that is closed at first. */
export function Folded({
  title,
  unit,
  children,
}: {
  title: string;
  unit?: string;
  children: ReactNode;
}) {
  return (
    <section>
      <details>
        <summary>
          <h3>
            {title} {unit && <span className="unit">{unit}</span>}
          </h3>
        </summary>
        {children}
      </details>
    </section>
  );
}

/** The reason, where a stage does not take what comes. */
function WhyBox({ figures }: { figures: StageFigures }) {
  const { code, why, detail, since, until, run } = figures.condition;
  const look = lookOf(code);
  if (look.of === "on") return null;
  return (
    <div className="why" data-tone={look.tone}>
      <p>
        <State of={look.of} tone={look.tone}>
          {look.word}
          {why && `, ${why}`}
        </State>
      </p>
      {(since || until) && (
        <p>
          {since && (
            <>
              since <Moment at={since} />
            </>
          )}
          {until && (
            <>
              {since && ", "}
              ends in <Until at={until} />
            </>
          )}
        </p>
      )}
      {code === "waiting" && (
        <p>Meanwhile no attempt is used up and nothing dies; it probes and goes on by itself.</p>
      )}
      {detail && (code === "waiting" ? <pre>{detail}</pre> : <p>{detail}</p>)}
      {run && (
        <p>
          <Link className="btn" to="/runs/$run" params={{ run }}>
            Let it in…
          </Link>
        </p>
      )}
    </div>
  );
}

function Pairs({ pipeline, stage, figures, unread }: StagePanelProps & { figures: StageFigures }) {
  return (
    <dl className="pairs">
      <div>
        <dt>in flight</dt>
        <dd>
          <Count value={unread} />
        </dd>
      </div>
      <div>
        <dt>parked</dt>
        <dd>
          <Count value={figures.parked} />
        </dd>
      </div>
      <div>
        <dt>lanes at work</dt>
        <dd>
          {figures.lanes_at_work} of {figures.lanes}
        </dd>
      </div>
      <div>
        <dt>dead</dt>
        <dd>
          {figures.dead > 0 ? (
            <Link
              className="tone-dead"
              to="/dead-letters"
              search={{ pipeline, stage: stage.name } as Record<string, string>}
            >
              {formatCount(figures.dead)}
              {figures.dead_more && "+"}
            </Link>
          ) : (
            <Count value={0} />
          )}
        </dd>
      </div>
    </dl>
  );
}

function Lanes({ pipeline, stage }: { pipeline: string; stage: string }) {
  const lanes = useQuery({
    queryKey: ["lanes", pipeline, stage],
    queryFn: ({ signal }) =>
      get("/api/v1/pipelines/{pipeline}/stages/{stage}/lanes", {
        path: { pipeline, stage },
        signal,
      }),
    refetchInterval: 3_000,
  });
  if (!lanes.data) return null;
  return (
    <section>
      <h3>
        Lanes <span className="unit">partition by partition; unread in offsets</span>
      </h3>
      <table className="mini">
        <thead>
          <tr>
            <th>lane</th>
            <th>worker</th>
            <th>state</th>
            <th className="num" title="The markers of transactions take offsets too">
              unread
            </th>
            <th className="num">oldest</th>
          </tr>
        </thead>
        <tbody>
          {lanes.data.map((lane) => {
            const look = lookOf(lane.condition.code);
            return (
              <tr key={lane.lane}>
                <td>{lane.lane}</td>
                <td className="soft lane-worker" title={lane.worker}>
                  {lane.worker.replace(`${pipeline}.`, "")}
                </td>
                <td>
                  <State of={look.of} tone={look.tone} title={lane.condition.why}>
                    {look.word}
                  </State>
                </td>
                <td className="num">
                  <Count value={lane.unread} />
                </td>
                <td className="num">
                  {lane.oldest_seconds != null && lane.unread > 0 && (
                    <Duration ms={lane.oldest_seconds * 1000} />
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

/** The edges that come in and go out; each opens its tail. */
function Events({ picture, stage, onEdge }: StagePanelProps) {
  const comes = picture.edges.filter((edge) => edge.target === stage.name);
  const goes = picture.edges.filter((edge) => edge.sources.includes(stage.name));
  return (
    <section>
      <h3>
        Events <span className="unit">what comes and what goes</span>
      </h3>
      <dl className="lines">
        {[...comes, ...goes].map((edge) => (
          <div key={edge.id}>
            <dt>
              {edge.target === stage.name
                ? "reads"
                : edge.target === null
                  ? "emits, nobody reads it"
                  : `emits, to ${edge.target}`}
            </dt>
            <dd>
              <button type="button" className="link-plain link" onClick={() => onEdge(edge.id)}>
                {edge.event}
              </button>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
