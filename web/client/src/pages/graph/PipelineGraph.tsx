/** How does a pipeline look as a graph, and how is it walked through? */

import "./graph.css";
import {
  type KeyboardEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { Loading } from "@/ui/PageStates";
import type { DataTroubles } from "./dataTroubles";
import type { Figures, Picture, RunOverlay } from "./graphData";
import { Sheet } from "./Sheet";
import { useElementSize } from "./useElementSize";
import { type LaidOut, useLayout } from "./useLayout";
import { usePanZoom } from "./usePanZoom";
import { fitted, showing, startOf, type Viewport, zoomed } from "./viewport";
import { nextStage, type Step } from "./walk";
import { ZoomButtons } from "./ZoomButtons";

export interface PipelineGraphProps {
  /** What is drawn: a version of the server, or a topology that is not saved. */
  picture: Picture;
  /** What flows now; none for a version that is not in force. */
  figures?: Figures | undefined;
  /** A run to draw instead of what flows now. */
  run?: RunOverlay | undefined;
  /** What is wrong with the data of events. */
  troubles?: DataTroubles | undefined;
  /** The name of the stage, and the id of the edge, that is selected. */
  stage?: string | undefined;
  edge?: string | undefined;
  onStage?: ((stage: string) => void) | undefined;
  onEdge?: ((edge: string) => void) | undefined;
  /** For screen readers: `order-lines@7`. */
  label: string;
  /** In the line below the picture, before the zoom. */
  legend?: ReactNode;
}

/** Stages and events from left to right; arrows follow edges, Tab goes through the stages in order. */
export function PipelineGraph(props: PipelineGraphProps) {
  const laid = useLayout(props.picture);
  if (laid)
    return <Canvas {...props} laid={laid} key={`${laid.layout.width}x${laid.layout.height}`} />;
  return (
    <>
      <div className="flow-box">
        <Loading rows={4} />
      </div>
      <div className="legend wide-only">{props.legend}</div>
    </>
  );
}

function Canvas(props: PipelineGraphProps & { laid: LaidOut }) {
  const { picture, laid, label, stage, edge, legend } = props;
  const { layout } = laid;
  const ground = useRef<HTMLDivElement>(null);
  const size = useElementSize(ground);
  const [viewport, setViewport] = useState<Viewport>();
  const move = useCallback(
    (change: (viewport: Viewport) => Viewport) => setViewport((known) => known && change(known)),
    [],
  );
  usePanZoom(ground, move);
  const show = (name: string) => {
    const place = layout.nodes[name];
    const box = ground.current?.getBoundingClientRect();
    if (place && box) move((known) => showing(known, place, box));
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: it begins once, and then people move it
  useLayoutEffect(() => {
    if (size) setViewport((known) => known ?? startOf(layout, size, layout.nodes[stage ?? ""]));
  }, [size]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: only a new selection moves the picture
  useEffect(() => {
    const reader = picture.edges.find((each) => each.id === edge)?.target;
    if (stage ?? reader) show(stage ?? reader ?? "");
  }, [stage, edge]);

  const walk = (event: KeyboardEvent) => {
    const from = stageAt(event.target);
    const step = STEPS[event.key === "Tab" && event.shiftKey ? "Shift+Tab" : event.key];
    const to = from && step && nextStage(picture, laid, from, step);
    if (!to) return;
    event.preventDefault();
    show(to);
    focusStage(ground.current, to);
  };
  const compared = [...picture.stages, ...picture.edges].some((each) => each.mark);
  const middle = { x: (size?.width ?? 0) / 2, y: (size?.height ?? 0) / 2 };
  return (
    <>
      <div className="flow-box">
        <section
          className={compared ? "flow-ground gdiff" : "flow-ground"}
          aria-label={`${label} as a graph; the table says the same`}
        >
          {/* biome-ignore lint/a11y/noStaticElementInteractions: keys bubble from the stages inside */}
          <div
            ref={ground}
            className="flow-canvas"
            onKeyDown={walk}
            // By key only: nothing moves under a pointer that has pressed.
            onFocus={({ target }) =>
              target.matches(":focus-visible") && show(stageAt(target) ?? "")
            }
          >
            {size && viewport && <Sheet {...props} viewport={viewport} size={size} />}
          </div>
        </section>
      </div>
      <div className="legend wide-only">
        {legend}
        <ZoomButtons
          zoom={viewport?.zoom ?? 1}
          onZoom={(factor) => move((known) => zoomed(known, factor, middle))}
          onFit={() => size && setViewport(fitted(layout, size))}
        />
      </div>
    </>
  );
}

function stageAt(target: EventTarget): string | undefined {
  return (target as Element).closest<HTMLElement>("[data-stage]")?.dataset["stage"];
}

/** Focus a stage; one that is not in sight yet is drawn in one of the next frames. */
function focusStage(ground: HTMLElement | null, name: string, tries = 10): void {
  const found = ground?.querySelector<HTMLElement>(`[data-stage="${CSS.escape(name)}"]`);
  if (found) found.focus({ preventScroll: true });
  else if (tries > 0) requestAnimationFrame(() => focusStage(ground, name, tries - 1));
}

const STEPS: Record<string, Step> = {
  ArrowRight: "right",
  ArrowLeft: "left",
  ArrowUp: "up",
  ArrowDown: "down",
  Tab: "next",
  "Shift+Tab": "previous",
};
