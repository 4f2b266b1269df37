/** What is drawn of a picture: its edges, and its stages over them? */

import { edgeTone, fastestRate } from "./conditions";
import { EndMark } from "./EndMark";
import { EventEdge, strandSizes } from "./EventEdge";
import { countsOf } from "./edgeWords";
import { endOf } from "./graphData";
import type { PipelineGraphProps } from "./PipelineGraph";
import { StageNode } from "./StageNode";
import type { LaidOut } from "./useLayout";
import { isInSight, type Size, type Viewport } from "./viewport";

/** So many stages are all drawn: Tab and Ctrl-F find them. Of more, those in sight are. */
const ALL_DRAWN = 60;
/** Below this zoom nobody can read what stands at an edge. */
const READABLE = 0.5;

interface SheetProps extends PipelineGraphProps {
  laid: LaidOut;
  viewport: Viewport;
  /** Of the box in which it is seen. */
  size: Size;
}

export function Sheet(props: SheetProps) {
  const { picture, laid, viewport, size, figures, run, onStage = noop, onEdge = noop } = props;
  const { x, y, zoom } = viewport;
  const { nodes, strands: ways } = laid.layout;
  const all = picture.stages.length <= ALL_DRAWN;
  const rates = figures?.edges ?? {};
  const fastest = run
    ? Math.max(1, ...Object.values(run.edges).map((counts) => counts.emitted))
    : fastestRate(rates);
  return (
    <div className="flow-sheet" style={{ transform: `translate(${x}px, ${y}px) scale(${zoom})` }}>
      {/* biome-ignore lint/a11y/useSemanticElements: a picture has no fieldset */}
      <svg className="pic" role="group" aria-label="Events">
        {laid.strands.map((strand) => {
          const place = ways[strand.id];
          if (!place || !(all || isInSight(place.points, viewport, size))) return null;
          const { edge } = strand;
          const flows = run ? undefined : rates[edge.id];
          const reader = edge.target === null ? undefined : figures?.stages[edge.target];
          const flowing = {
            figures: flows,
            counts: countsOf(run, edge),
            overlaid: run !== undefined,
            tone: edgeTone(flows, reader),
          };
          return (
            <EventEdge
              key={strand.id}
              strand={strand}
              place={place}
              {...flowing}
              {...strandSizes(flowing, fastest)}
              selected={edge.id === props.edge}
              readable={zoom >= READABLE}
              data={props.troubles?.get(edge.event)?.words}
              onOpen={onEdge}
            />
          );
        })}
        {Object.entries(nodes).map(([id, place]) => {
          const end = endOf(id);
          return end && <EndMark key={id} at={place} end={end} />;
        })}
      </svg>
      {picture.stages.map((stage) => {
        const place = nodes[stage.name];
        if (!place || !(all || isInSight([place], viewport, size))) return null;
        return (
          <StageNode
            key={stage.name}
            stage={stage}
            place={place}
            figures={run ? undefined : figures?.stages[stage.name]}
            selected={stage.name === props.stage}
            onOpen={onStage}
          />
        );
      })}
    </div>
  );
}

function noop() {}
