/** The graph from top to bottom, for a narrow screen. */

import { formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { State } from "@/ui/State";
import { edgeTone, fastestRate, lookOf } from "./conditions";
import type { DataTroubles } from "./dataTroubles";
import { DataState } from "./EdgeTable";
import { countsOf, edgeWords, runWords } from "./edgeWords";
import type { Figures, GraphEdge, GraphStage, Picture, RunOverlay } from "./graphData";
import { THICKEST, thickness } from "./ribbon";

interface GraphChainProps {
  picture: Picture;
  figures: Figures | undefined;
  run: RunOverlay | undefined;
  troubles: DataTroubles;
  onStage(stage: string): void;
  onEdge(edge: string): void;
}

/** Each stage below the events that it reads, in the order in which events flow. */
export function GraphChain(props: GraphChainProps) {
  const { picture } = props;
  const drawn = picture.stages.filter((stage) => stage.draining === null);
  const draining = picture.stages.filter((stage) => stage.draining !== null);
  let before = "";
  const items = drawn.flatMap((stage) => {
    const reads = picture.edges.filter((edge) => edge.target === stage.name);
    const hops = reads.map((edge) => (
      <Hop
        key={edge.id}
        {...props}
        edge={edge}
        fork={!edge.sources.includes(before) && edge.sources.length > 0}
      />
    ));
    before = stage.name;
    return [...hops, <Stop key={stage.name} {...props} stage={stage} draining={draining} />];
  });
  const leaves = picture.edges.filter((edge) => edge.target === null);
  return (
    <ol className="chain">
      {items}
      {leaves.map((edge) => (
        <Hop key={edge.id} {...props} edge={edge} fork={!edge.sources.includes(before)} />
      ))}
    </ol>
  );
}

function Hop({
  edge,
  fork,
  figures,
  run,
  troubles,
  onEdge,
}: GraphChainProps & { edge: GraphEdge; fork: boolean }) {
  const flow = figures?.edges[edge.id];
  const tone = edgeTone(flow, edge.target ? figures?.stages[edge.target] : undefined);
  const words = run ? runWords(countsOf(run, edge)) : edgeWords(flow);
  const said = [words.rate, words.inFlight].filter(Boolean).join(", ");
  const look = tone === "wait" ? "held" : (tone ?? "");
  return (
    <li className={`hop ${look}${fork ? " fork" : ""}`}>
      <i style={{ clipPath: outline(figures, edge.id) }} />
      <p>
        <button type="button" className="link-plain" onClick={() => onEdge(edge.id)}>
          <span className="medium">{edge.event}</span>
        </button>
        {fork && (
          <span className="faint">
            {edge.target && ` to ${edge.target},`} from {edge.sources.join(", ")}
          </span>
        )}
        <DataState trouble={troubles.get(edge.event)} />
        <br />
        {tone ? (
          <span className={`tone-${tone}`}>
            <b>{said}</b>
            {words.oldest && `, ${words.oldest}`}
          </span>
        ) : (
          <span className="soft">
            {[said, words.oldest, edge.target === null ? "nobody reads it" : ""]
              .filter(Boolean)
              .join(", ")}
          </span>
        )}
      </p>
    </li>
  );
}

/** A ribbon of 32 px at most, as thick as in the picture. */
function outline(figures: Figures | undefined, edge: string): string {
  const fastest = fastestRate(figures?.edges ?? {});
  const flow = figures?.edges[edge];
  const half = (rate: number | null | undefined) =>
    Math.max(4.7, (50 * thickness(rate, fastest)) / THICKEST);
  const from = half(flow?.rate_in ?? flow?.rate_out);
  const to = half(flow?.rate_out ?? flow?.rate_in);
  return `polygon(${50 - from}% 0,${50 + from}% 0,${50 + to}% 100%,${50 - to}% 100%)`;
}

function Stop({
  stage,
  draining,
  figures,
  picture,
  onStage,
}: GraphChainProps & { stage: GraphStage; draining: GraphStage[] }) {
  const found = figures?.stages[stage.name];
  const look = found && lookOf(found.condition.code);
  const grounds = look?.stands ? (look.tone === "wait" ? " held" : " late") : "";
  const lanes = `${stage.lanes} lane${stage.lanes === 1 ? "" : "s"}`;
  const note = look?.stands
    ? [found?.condition.why, found?.condition.detail].filter(Boolean).join("; ")
    : [lanes, found?.mode].filter(Boolean).join(", ");
  const beside = draining.filter((each) =>
    picture.edges.some((edge) => edge.target === each.name && edge.sources.includes(stage.name)),
  );
  return (
    <li className={`stop${grounds}`}>
      {/* base.css draws the stop as a link */}
      <a
        href={`?stage=${encodeURIComponent(stage.name)}`}
        onClick={(event) => {
          event.preventDefault();
          onStage(stage.name);
        }}
      >
        <b>{stage.name}</b>
        {look && (
          <State of={look.of} tone={look.tone}>
            {look.word}
          </State>
        )}
        <small>{note}</small>
      </a>
      {found && found.parked > 0 && (
        <span className="off tone-wait">
          <Icon name="parked" />
          {formatCount(found.parked)} parked
        </span>
      )}
      {found && found.dead > 0 && (
        <span className="off tone-dead">
          <Icon name="dead" />
          <b>{formatCount(found.dead)} dead</b>
        </span>
      )}
      {beside.map((each) => (
        <span key={each.name} className="off tone-quiet">
          <Icon name="draining" />
          {each.name} drains under @{each.draining}
          {unreadText(figures, each.name)}
        </span>
      ))}
    </li>
  );
}

function unreadText(figures: Figures | undefined, stage: string): string {
  const detail = figures?.stages[stage]?.condition.detail;
  return detail ? `: ${detail}` : "";
}
