/** What is connected to what in the draft, and what is new, changed or gone? */

import { type KeyboardEvent, type ReactNode, useMemo } from "react";
import { classes } from "@/ui/classes";
import {
  type Graph,
  NODE_HEIGHT,
  type PlacedEdge,
  type PlacedGraph,
  type PlacedStage,
  placeGraph,
  wayDepth,
} from "./graphDifference";

/** A stage, or an event on its way to a stage. */
export type Part = { kind: "stage"; name: string } | { kind: "edge"; event: string; to: string };

const SIGNS = { new: "+", changed: "~", lost: "−", same: "" };

/** The picture; a stage or an edge can be chosen unless it is gone. */
export function DifferenceGraph({
  before,
  draft,
  drains,
  selected,
  onSelect,
}: {
  before: Graph | undefined;
  draft: Graph;
  /** What is still to be read on an edge that is gone, in words: by stage. */
  drains: ReadonlyMap<string, string>;
  selected: Part | undefined;
  onSelect(part: Part): void;
}) {
  const placed = useMemo(() => placeGraph(before, draft), [before, draft]);
  const stages = new Map(placed.stages.map((stage) => [stage.name, stage]));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by key
    <section className="draw" aria-label="Picture" tabIndex={0}>
      {/* biome-ignore lint/a11y/useSemanticElements: a picture has no fieldset */}
      <svg
        className="pic gdiff"
        viewBox={`0 0 ${placed.width} ${placed.height}`}
        width={placed.width}
        height={placed.height}
        // The picture is panned, not shrunk.
        style={{ width: placed.width }}
        role="group"
        aria-label={describe(placed)}
      >
        {[...placed.roots].map(([event, { x, y }]) => (
          <circle key={event} cx={x} cy={y} r="4" fill="none" className="s-ink" strokeWidth="1.5">
            <title>{event}, from outside</title>
          </circle>
        ))}
        {placed.edges.map((edge) => (
          <EdgeLine
            key={`${edge.from} ${edge.event} ${edge.to}`}
            edge={edge}
            placed={placed}
            stages={stages}
            drains={drains}
            selected={
              selected?.kind === "edge" && selected.event === edge.event && selected.to === edge.to
            }
            onSelect={onSelect}
          />
        ))}
        {placed.stages.map((stage) => (
          <StageNode
            key={stage.name}
            stage={stage}
            selected={selected?.kind === "stage" && selected.name === stage.name}
            onSelect={onSelect}
          />
        ))}
      </svg>
    </section>
  );
}

function StageNode({
  stage,
  selected,
  onSelect,
}: {
  stage: PlacedStage;
  selected: boolean;
  onSelect(part: Part): void;
}) {
  const { name, mark, x, y, width } = stage;
  const middle = x + width / 2;
  const look = { same: "", new: "new", changed: "chg", lost: "lost" }[mark];
  return (
    <Choice
      className={classes("node", look, selected && "sel")}
      label={mark === "same" ? `stage ${name}` : `stage ${name}, ${mark}`}
      selected={selected}
      onSelect={mark === "lost" ? undefined : () => onSelect({ kind: "stage", name })}
    >
      <rect x={x} y={y} width={width} height={NODE_HEIGHT} rx="4" />
      <text className="name mid f12" x={middle} y={y + 19.5}>
        {name}
      </text>
      {SIGNS[mark] && (
        <text
          className={classes("big mid sign", mark === "lost" && "t-removed")}
          x={middle}
          y={y - 6}
        >
          {SIGNS[mark]}
        </text>
      )}
    </Choice>
  );
}

function EdgeLine({
  edge,
  placed,
  stages,
  drains,
  selected,
  onSelect,
}: {
  edge: PlacedEdge;
  placed: PlacedGraph;
  stages: ReadonlyMap<string, PlacedStage>;
  drains: ReadonlyMap<string, string>;
  selected: boolean;
  onSelect(part: Part): void;
}) {
  const to = stages.get(edge.to);
  if (!to) return null;
  const from = edge.from === undefined ? undefined : stages.get(edge.from);
  const root = placed.roots.get(edge.event);
  const start = from
    ? { x: from.x + from.width, y: from.y + NODE_HEIGHT / 2 }
    : { x: (root?.x ?? to.x - 26) + 4, y: root?.y ?? to.y + NODE_HEIGHT / 2 };
  const end = { x: to.x - 1, y: to.y + NODE_HEIGHT / 2 };
  const bends = edge.mark === "lost" && to.mark !== "lost" && from !== undefined;
  const way =
    bends && from ? below(from, to, wayDepth(stages, edge.from, edge.to)) : between(start, end);
  const drain = edge.mark === "lost" ? drains.get(edge.to) : undefined;
  const words = `${edge.event} to ${edge.to}`;
  return (
    <Choice
      className={classes("edge", selected && "sel")}
      label={edge.mark === "same" ? words : `${words}, ${edge.mark}`}
      selected={selected}
      onSelect={
        edge.mark === "lost"
          ? undefined
          : () => onSelect({ kind: "edge", event: edge.event, to: edge.to })
      }
    >
      <title>{edge.event}</title>
      <path className="hit" d={way.path} />
      <path className={edge.mark} d={bends ? way.path : `${way.path}${arrow(end)}`} />
      {edge.mark === "new" && (
        <text className="mid t-added" x={(start.x + end.x) / 2} y={Math.min(start.y, end.y) - 8}>
          {edge.event}
        </text>
      )}
      {bends && (
        <text className="mid t-removed" x={way.label.x} y={way.label.y}>
          {`− ${words}${drain ? `; ${drain}` : ""}`}
        </text>
      )}
    </Choice>
  );
}

/** A part of the picture that can be chosen by pointer, Enter or Space; or only looked at. */
function Choice({
  className,
  label,
  selected,
  onSelect,
  children,
}: {
  className: string;
  label: string;
  selected: boolean;
  onSelect: (() => void) | undefined;
  children: ReactNode;
}) {
  if (!onSelect) return <g className={className}>{children}</g>;
  const press = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    onSelect();
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a part of a picture cannot be a button element
    <g
      className={className}
      role="button"
      tabIndex={0}
      aria-label={label}
      aria-pressed={selected}
      onClick={onSelect}
      onKeyDown={press}
    >
      {children}
    </g>
  );
}

interface Point {
  x: number;
  y: number;
}

function between(start: Point, end: Point): { path: string; label: Point } {
  const label = { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 };
  if (start.y === end.y && end.x > start.x)
    return { path: `M${start.x} ${start.y}H${end.x}`, label };
  const bend = Math.max(20, Math.abs(end.x - start.x) / 2);
  const path = `M${start.x} ${start.y}C${start.x + bend} ${start.y} ${end.x - bend} ${end.y} ${end.x} ${end.y}`;
  return { path, label };
}

/** A way below the row, for an edge that is gone. */
function below(from: PlacedStage, to: PlacedStage, depth: number): { path: string; label: Point } {
  const start = { x: from.x + from.width / 2 + 9, y: from.y + NODE_HEIGHT };
  const end = { x: to.x + to.width / 2 - 9, y: to.y + NODE_HEIGHT };
  return {
    path: `M${start.x} ${start.y}C${start.x + 20} ${depth} ${end.x - 20} ${depth} ${end.x} ${end.y + 2}`,
    label: { x: (start.x + end.x) / 2, y: depth + 6 },
  };
}

function arrow({ x, y }: Point): string {
  return `M${x - 5} ${y - 3.5}L${x} ${y}L${x - 5} ${y + 3.5}`;
}

function describe({ stages }: PlacedGraph): string {
  const said = stages
    .filter(({ mark }) => mark !== "same")
    .map(({ name, mark }) => `${name} is ${mark === "lost" ? "gone" : mark}`);
  return `The graph of the draft${said.length ? `: ${said.join(", ")}` : ""}`;
}
