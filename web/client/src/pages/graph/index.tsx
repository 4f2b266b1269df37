/** The page “Graph”: what flows, what waits, what is wrong and why? */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useCallback } from "react";
import { get } from "@/api/client";
import { useKeys } from "@/keyboard/keys";
import { PageHead } from "@/layout/PageHead";
import { TroubleStrip } from "@/layout/TroubleStrip";
import { useLiveRefresh } from "@/live/useLive";
import { usePipelines } from "@/navigation/pipelines";
import { useFilters } from "@/navigation/search";
import { Icon } from "@/ui/Icon";
import { ChoiceMenu } from "@/ui/Menu";
import { Moment } from "@/ui/Moment";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { RunId } from "@/ui/RunId";
import { type Segment, Segments } from "@/ui/Segments";
import { useNarrow } from "@/ui/useNarrow";
import { useDataTroubles } from "./dataTroubles";
import { EdgePanel } from "./EdgePanel";
import { EdgeTable } from "./EdgeTable";
import { GraphChain } from "./GraphChain";
import type { Figures, VersionStop } from "./graphData";
import { Legend } from "./Legend";
import { PipelineGraph } from "./PipelineGraph";
import { RunChoice } from "./RunChoice";
import { StagePanel } from "./StagePanel";
import { useFigures } from "./useFigures";
import { useTroubles } from "./useTroubles";
import { VersionSlider } from "./VersionSlider";

type View = "graph" | "both" | "table";

export default function GraphPage() {
  const { pipeline = "" } = useParams({ strict: false });
  const [search, change] = useFilters();
  const version = numberOf(search["version"]);
  const compare = numberOf(search["compare"]);
  const { run } = search;
  const narrow = useNarrow();
  const graph = useQuery({
    queryKey: ["graph", pipeline, version, compare, run],
    queryFn: ({ signal }) =>
      get("/api/v1/pipelines/{pipeline}/graph", {
        path: { pipeline },
        query: { version: version ?? null, compare: compare ?? null, run: run ?? null },
        signal,
      }),
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  });
  useLiveRefresh("versions", ["graph", pipeline]);
  useLiveRefresh(run ? `run/${run}` : undefined, ["graph", pipeline]);
  const inForce = graph.data?.versions.at(-1)?.version;
  const isOfToday = graph.data !== undefined && graph.data.version === inForce;
  const figures = useFigures(pipeline, isOfToday && !run);
  const onStage = useCallback((stage: string) => change({ stage, edge: undefined }), [change]);
  const onEdge = useCallback((edge: string) => change({ edge, stage: undefined }), [change]);
  const close = useCallback(() => change({ stage: undefined, edge: undefined }), [change]);
  const troubles = useTroubles(pipeline, graph.data?.picture, figures);
  const ofData = useDataTroubles(pipeline);

  if (graph.isPending)
    return (
      <>
        <PageHead title={pipeline} />
        <Loading />
      </>
    );
  if (!graph.data)
    return (
      <>
        <PageHead title={pipeline} />
        <ErrorNote
          error={graph.error}
          what={`The graph of ${pipeline}`}
          onRetry={() => void graph.refetch()}
        />
      </>
    );
  const { picture, versions } = graph.data;
  const overlay = graph.data.run ?? undefined;
  const stage = picture.stages.find((each) => each.name === search["stage"]);
  const edge = picture.edges.find((each) => each.id === search["edge"]);
  const drawn = {
    picture,
    figures,
    run: overlay,
    troubles: ofData,
    onStage,
    onEdge,
    stage: stage?.name,
  };
  return (
    <div className="graph-page">
      <PageHead
        title={pipeline}
        heading={<PipelineName pipeline={pipeline} />}
        actions={<Actions pipeline={pipeline} run={overlay?.run ?? run} />}
      >
        <VersionSlider
          pipeline={pipeline}
          versions={versions}
          value={graph.data.version}
          onChange={(next) =>
            change({
              version: next === inForce ? undefined : String(next),
              compare: undefined,
              run: undefined,
            })
          }
        />
        <VersionNote
          versions={versions}
          version={graph.data.version}
          compare={graph.data.compared ?? undefined}
          run={overlay?.run}
        />
      </PageHead>
      <TroubleStrip troubles={troubles} />
      <div className={stage || edge ? "work" : "work alone"}>
        {/* On a narrow screen the panel is a page of its own. */}
        {!(narrow && (stage || edge)) && (
          <Pictures {...drawn} edge={edge?.id} label={`${pipeline}@${graph.data.version}`} />
        )}
        {stage && (
          <StagePanel
            key={stage.name}
            pipeline={pipeline}
            version={graph.data.version}
            picture={picture}
            stage={stage}
            figures={figures?.stages[stage.name]}
            unread={unreadOf(figures, stage.name)}
            onEdge={onEdge}
            onClose={close}
          />
        )}
        {edge && !stage && (
          <EdgePanel
            key={edge.id}
            pipeline={pipeline}
            version={graph.data.version}
            edge={edge}
            figures={figures?.edges[edge.id]}
            trouble={ofData.get(edge.event)}
            run={run}
            onRun={(next) => change({ run: next })}
            onClose={close}
          />
        )}
      </div>
    </div>
  );
}

type PicturesProps = Parameters<typeof EdgeTable>[0] & { edge: string | undefined; label: string };

/** Picture, table or both; from top to bottom on a narrow screen. */
function Pictures(props: PicturesProps) {
  const [search, change] = useFilters();
  const narrow = useNarrow();
  const view = viewOf(search["view"], narrow);
  const toggle = () => change({ view: view === "table" ? "graph" : "table" }, { replace: true });
  useKeys([
    { key: "t", does: "graph or table", run: toggle },
    {
      key: "Escape",
      does: "close the panel",
      run: () => change({ stage: undefined, edge: undefined }),
    },
  ]);
  const table = <EdgeTable {...props} />;
  if (narrow)
    return (
      <section className="canvas" aria-label="Graph">
        {view === "table" ? table : <GraphChain {...props} />}
      </section>
    );
  return (
    <section className={`canvas view-${view}`} aria-label="Graph">
      {view !== "table" && (
        <PipelineGraph {...props} legend={<Legend figures={props.figures} run={props.run} />} />
      )}
      {view !== "graph" && table}
    </section>
  );
}

function viewOf(asked: string | undefined, narrow: boolean): View {
  if (asked === "graph" || asked === "table") return asked;
  return narrow ? "graph" : "both";
}

const WIDE: Segment<View>[] = [
  segment("graph", "Graph", "graph"),
  segment("both", "Both", "split"),
  segment("table", "Table", "table"),
];

function segment(value: View, label: string, icon: "graph" | "split" | "table"): Segment<View> {
  return {
    value,
    label: (
      <>
        <Icon name={icon} />
        {label}
        {value === "table" && <kbd className="wide-only"> T</kbd>}
      </>
    ),
  };
}

function Actions({ pipeline, run }: { pipeline: string; run: string | undefined }) {
  const [search, change] = useFilters();
  const narrow = useNarrow();
  const view = viewOf(search["view"], narrow);
  return (
    <>
      <RunChoice
        pipeline={pipeline}
        run={run}
        onChange={(next) => change({ run: next, version: undefined, compare: undefined })}
      />
      <Segments
        label="View"
        segments={narrow ? WIDE.filter((each) => each.value !== "both") : WIDE}
        value={view}
        onChange={(next) => change({ view: next === "both" ? undefined : next }, { replace: true })}
      />
      <Link className="btn wide-only" to="/trigger" search={{ pipeline } as Record<string, string>}>
        <Icon name="play" />
        Trigger…
      </Link>
    </>
  );
}

/** The pipeline, and a menu of the others if there are any. */
function PipelineName({ pipeline }: { pipeline: string }) {
  const { data } = usePipelines();
  const navigate = useNavigate();
  if (!data || data.length < 2) return pipeline;
  return (
    <ChoiceMenu
      label="Pipeline"
      className="pipeline-choice"
      choices={data.map((one) => ({ value: one.pipeline, label: one.pipeline }))}
      value={pipeline}
      onChange={(next) => void navigate({ to: "/pipelines/$pipeline", params: { pipeline: next } })}
    />
  );
}

/** Since when, and by whom; what it is compared with. */
function VersionNote({
  versions,
  version,
  compare,
  run,
}: {
  versions: readonly VersionStop[];
  version: number;
  compare: number | undefined;
  run: string | undefined;
}) {
  const [, change] = useFilters();
  const at = versions.findIndex((stop) => stop.version === version);
  const stop = versions[at];
  const before = versions[at - 1];
  if (!stop) return null;
  if (run)
    return (
      <p className="small soft">
        <b className="strong">Run</b> <RunId id={run} whole accent /> over the graph of its version
        @{version}
      </p>
    );
  return (
    <p className="small soft wide-only">
      <b className="strong">
        @{version} {stop.state}
      </b>
      {stop.state === "in force" ? (
        " since "
      ) : (
        <>
          {stop.retired && (
            <>
              {" "}
              since <Moment at={stop.retired} />
            </>
          )}
          , published{" "}
        </>
      )}
      <Moment at={stop.published} /> by {stop.published_by}
      {stop.rollback_of != null && (
        <>
          ,<br />a rollback to @{stop.rollback_of}
        </>
      )}
      .{" "}
      {compare !== undefined ? (
        <>
          Compared with @{compare}: blue + is new, orange − is gone.{" "}
          <button
            type="button"
            className="link-plain link"
            onClick={() => change({ compare: undefined })}
          >
            Stop
          </button>
        </>
      ) : (
        before && (
          <button
            type="button"
            className="link-plain link"
            onClick={() => change({ compare: String(before.version) })}
          >
            Compare with @{before.version}
          </button>
        )
      )}
    </p>
  );
}

function unreadOf(figures: Figures | undefined, stage: string): number | undefined {
  if (!figures) return undefined;
  return Object.entries(figures.edges)
    .filter(([id]) => id.endsWith(`>${stage}`))
    .reduce((sum, [, edge]) => sum + (edge.in_flight ?? 0), 0);
}

function numberOf(text: string | undefined): number | undefined {
  return text && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
