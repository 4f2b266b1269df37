/** How does an event on its way look: a ribbon that narrows where less is handled than comes? */

import { memo } from "react";
import { type EdgeWords, edgeWords, runWords } from "./edgeWords";
import type { EdgeFigures, RunEdgeCounts, Strand } from "./graphData";
import type { Point } from "./layoutGraph";
import { linePath, ribbonPath, THINNEST, thickness } from "./ribbon";

interface EventEdgeProps extends Flowing {
  strand: Strand;
  /** Its middle line, and the middle of its label. */
  place: { points: Point[]; label: Point };
  /** How thick it begins and ends, in px. */
  from: number;
  to: number;
  selected: boolean;
  /** False where nobody could read what stands at the edge. */
  readable: boolean;
  /** What is wrong with the data of the event: `check failed`. */
  data: string | undefined;
  onOpen: (edge: string) => void;
}

/** What is known of what flows on an edge. */
interface Flowing {
  figures: EdgeFigures | undefined;
  /** The counts of a run that is drawn over the graph. */
  counts: RunEdgeCounts | undefined;
  /** True while a run is drawn: then widths are its counts. */
  overlaid: boolean;
  tone: "wait" | "late" | undefined;
}

/** A strand of the graph with the words of its edge; a click opens its tail. */
export const EventEdge = memo(function EventEdge(props: EventEdgeProps) {
  const { strand, figures, counts, overlaid, tone, from, to, selected, readable, onOpen } = props;
  const { points, label } = props.place;
  const { edge } = strand;
  const isLeaf = edge.target === null;
  const dashed = edge.draining || edge.mark === "-";
  const line = tone === "wait" ? shortened(points, 14) : points;
  const words = overlaid ? runWords(counts) : edgeWords(figures);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the table has the same edges for the keyboard
    <g className={`pic event-edge${selected ? " picked" : ""}`} onClick={() => onOpen(edge.id)}>
      <path className="edge-hit" d={linePath(points)} />
      {dashed ? (
        <path className={edge.mark === "-" ? "dash s-removed" : "dash"} d={linePath(points)} />
      ) : (
        <path className={flowClass(tone, edge.mark)} d={ribbonPath(line, from, to)}>
          <title>{titleOf(strand, figures)}</title>
        </path>
      )}
      {tone === "wait" && <Gate at={points.at(-1)} />}
      {!tone && to <= THINNEST + 1.5 && <Arrow at={points.at(-1)} />}
      {strand.labelled && readable && (
        <Label
          at={label}
          half={(from + to) / 4}
          event={edge.event}
          mark={edge.mark}
          words={isLeaf ? { ...words, inFlight: "nobody reads it", oldest: "" } : words}
          tone={tone}
          data={props.data}
        />
      )}
    </g>
  );
});

/** How thick a strand begins and ends, in steps of a quarter px; `fastest` is the largest rate, or
 * count, of the picture. */
export function strandSizes(flowing: Flowing, fastest: number): { from: number; to: number } {
  const { from, to } = exactSizes(flowing, fastest);
  return { from: Math.round(from * 4) / 4, to: Math.round(to * 4) / 4 };
}

function exactSizes({ figures, counts, overlaid, tone }: Flowing, fastest: number) {
  if (overlaid)
    return {
      from: thickness(counts?.emitted, fastest),
      to: thickness(counts?.consumed, fastest),
    };
  const from = thickness(figures?.rate_in ?? figures?.rate_out, fastest);
  const to = tone === "wait" ? THINNEST : thickness(figures?.rate_out ?? figures?.rate_in, fastest);
  // Without rates a backlog is still seen as narrowing.
  const backlog = tone && (figures?.in_flight ?? 0) > 0 && from <= THINNEST;
  return { from: backlog ? 8 : from, to: backlog && tone === "late" ? THINNEST : to };
}

function flowClass(tone: "wait" | "late" | undefined, mark: string): string {
  if (mark === "+") return "flow added";
  if (tone === "wait") return "flow held";
  return tone === "late" ? "flow late" : "flow";
}

function titleOf({ edge }: Strand, figures: EdgeFigures | undefined): string {
  const reader = edge.target === null ? "nobody reads it" : `to ${edge.target}`;
  const rates =
    figures?.rate_in != null
      ? `: ${figures.rate_in.toFixed(1)} a second in, ${(figures.rate_out ?? 0).toFixed(1)} out`
      : "";
  return `${edge.event} ${reader}${rates}`;
}

/** The same line, ended before the gate. */
function shortened(points: readonly Point[], by: number): Point[] {
  const last = points.at(-1);
  return last ? [...points.slice(0, -1), { x: last.x - by, y: last.y }] : [];
}

function Gate({ at }: { at: Point | undefined }) {
  if (!at) return null;
  return (
    <path
      className="s-wait"
      fill="none"
      strokeWidth={2}
      d={`M${at.x - 11} ${at.y - 11}v22m5 0v-22`}
    />
  );
}

function Arrow({ at }: { at: Point | undefined }) {
  if (!at) return null;
  return <path className="hair s-faint" d={`M${at.x - 6} ${at.y - 3.5}l5 3.5l-5 3.5`} />;
}

function Label({
  at,
  half,
  event,
  mark,
  words,
  tone,
  data,
}: {
  at: Point;
  half: number;
  event: string;
  mark: string;
  words: EdgeWords;
  tone: "wait" | "late" | undefined;
  data: string | undefined;
}) {
  const hue = tone ? ` t-${tone}` : "";
  const lines = [
    { text: words.rate, className: `fig mid${hue}` },
    { text: words.inFlight, className: `mid${tone ? ` w6${hue}` : ""}` },
    { text: words.oldest, className: `mid ${tone ? hue : "dim"}` },
    { text: data ? `▲ ${data}` : "", className: "mid w6 t-late data-trouble" },
  ].filter((line) => line.text !== "");
  const sign = mark === "-" ? "− " : mark === "+" ? "+ " : "";
  const marked = mark === "-" ? "t-removed" : mark ? "t-added" : "ink";
  return (
    <>
      <text className={`mid ${marked}`} x={at.x} y={at.y - half - 7}>
        {sign}
        {event}
      </text>
      {lines.map((line, index) => (
        <text
          key={line.className}
          className={line.className}
          x={at.x}
          y={at.y + half + 15 + 14 * index}
        >
          {line.text}
        </text>
      ))}
    </>
  );
}
