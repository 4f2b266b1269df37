/** How is the balance of a run drawn? Widths are events; layout.ts says where everything stands. */

import { Link } from "@tanstack/react-router";
import { useLayoutEffect, useMemo, useRef, useState } from "react";
import { formatCount, formatDuration, formatShare } from "@/ui/format";
import { type StateName, states } from "@/ui/State";
import {
  consumedOf,
  type EdgeBalance,
  partOf,
  type RunBalance,
  type StageWait,
  stateOfPart,
} from "../model";
import {
  BAR,
  type Bar,
  type End,
  type EventLabel,
  FAN,
  layoutBalance,
  type Note,
  type Picture,
  type Point,
  type Ribbon,
  STOP,
  STUB,
  THIN,
} from "./layout";
import { waitsOf, waitText } from "./waits";

interface BalancePictureProps {
  run: RunBalance;
  waits: readonly StageWait[];
}

/** The picture, as wide as its place; its table says the same. */
export function BalancePicture({ run, waits }: BalancePictureProps) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(1392);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setWidth(Math.floor(entry.contentRect.width));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const picture = useMemo(
    () => layoutBalance(run, width, (edge) => waitsOf(waits, edge).length),
    [run, waits, width],
  );
  const [tip, setTip] = useState<Tip | undefined>(undefined);
  return (
    <div className="draw balance-draw" ref={box}>
      {/* It has links, so it is a group and no single image. */}
      {/* biome-ignore lint/a11y/useSemanticElements: there is no other element for a drawing of many parts */}
      <svg
        className="pic balance"
        viewBox={`0 0 ${picture.width} ${picture.height}`}
        width={picture.width}
        height={picture.height}
        style={{ width: picture.width, minWidth: picture.width }}
        role="group"
        aria-label="Where every event of the run is; the balance sheet below says the same"
      >
        <Drawing picture={picture} waits={waits} run={run} onTip={setTip} />
      </svg>
      {tip && (
        <p className="tip" style={{ left: tip.x, top: tip.y }} role="status">
          <b>{tip.title}</b> {tip.text}
        </p>
      )}
    </div>
  );
}

interface Tip extends Point {
  title: string;
  text: string;
}

type OnTip = (tip: Tip | undefined) => void;

interface DrawingProps {
  picture: Picture;
  run: RunBalance;
  waits: readonly StageWait[];
  onTip: OnTip;
}

function Drawing({ picture, run, waits, onTip }: DrawingProps) {
  // What lies lower is drawn first: of two ribbons from one place the upper one lies over the other.
  const ribbons = [...picture.ribbons].sort((a, b) => lastY(b) - lastY(a));
  return (
    <>
      {ribbons.map((ribbon) => (
        <RibbonDrawing
          key={ribbon.edge.event_type + ribbon.edge.stage}
          ribbon={ribbon}
          waits={waits}
          onTip={onTip}
        />
      ))}
      {picture.ends.map((end) => (
        <EndDrawing key={end.stage + end.part} end={end} run={run} onTip={onTip} />
      ))}
      {picture.fans.map((fan, index) => (
        <path
          key={index}
          className="hair-strong"
          strokeDasharray="2 3"
          d={[0, 1]
            .map((side) => {
              const [from, to] = [fan.from[side], fan.to[side]];
              return from && to ? `M${from.x} ${from.y}L${to.x} ${to.y}` : "";
            })
            .join("")}
        />
      ))}
      {picture.bars.map((bar) => (
        <BarDrawing key={bar.stage.name} bar={bar} run={run} waits={waits} />
      ))}
      {picture.labels.map((label) => (
        <LabelDrawing key={label.eventType + label.at.y} label={label} />
      ))}
      {picture.notes.map((note) => (
        <NoteDrawing key={note.edge.event_type + note.edge.stage} note={note} waits={waits} />
      ))}
    </>
  );
}

function LabelDrawing({ label }: { label: EventLabel }) {
  const { at, emitted, readers, isInside } = label;
  const word = label.isRoot ? (emitted === 1 ? " root" : " roots") : " emitted";
  return (
    <>
      <text className={isInside ? "w5 ink" : "ink halo"} x={at.x} y={at.y}>
        {label.eventType}
      </text>
      <text className={isInside ? "" : "halo"} x={at.x} y={at.y + label.below}>
        {formatCount(emitted)}
        {readers > 1 ? `${label.isRoot ? word : ""}, read ${times(readers)}` : word}
      </text>
    </>
  );
}

function lastY(ribbon: Ribbon): number {
  return ribbon.points.at(-1)?.y ?? 0;
}

function times(readers: number): string {
  return readers === 2 ? "twice" : `${readers} times`;
}

function RibbonDrawing({
  ribbon,
  waits,
  onTip,
}: {
  ribbon: Ribbon;
  waits: readonly StageWait[];
  onTip: OnTip;
}) {
  const { edge, points, flow, unread, unreadDrawn, gap } = ribbon;
  const start = points[0];
  const end = points.at(-1);
  if (!start || !end) return null;
  const about = edgeTip(edge);
  const handlers = tipHandlers(about, { x: (start.x + end.x) / 2, y: end.y + 12 }, onTip);
  if (ribbon.isLine) {
    const to = ribbon.fans ? end.x - FAN : end.x;
    return (
      <g {...handlers}>
        {ribbon.isRoot && (
          <circle cx={start.x} cy={start.y} r="4" fill="none" className="s-ink" strokeWidth="1.5" />
        )}
        <path
          className="k-flow"
          strokeWidth="2"
          fill="none"
          d={linePath(points, ribbon.isRoot ? 4 : 0, to)}
        />
        {unreadDrawn > 0 && (
          <rect x={to - 26} y={end.y + 4} width={28} height={THIN} className="f-flight" />
        )}
      </g>
    );
  }
  const right = ribbon.fans ? end.x - FAN : end.x;
  const stop = right - STOP;
  const hatchTop = flow;
  const isWaiting = waitsOf(waits, edge).length > 0;
  const over = ribbon.isFork && start.y === end.y;
  const thinFrom = ribbon.isFork && start.y !== end.y ? stop - 58 : start.x;
  return (
    <g {...handlers} className="ribbon">
      {ribbon.isMerge && (
        <rect className="bar faint" x={start.x - 3} y={start.y} width="3" height={flow + unread} />
      )}
      {flow > 0 && (
        <path className={over ? "flow over" : "flow"} d={bandPath(points, 0, flow, right)} />
      )}
      {flow === 0 && ribbon.flowDrawn > 0 && consumedOf(edge) > 0 && (
        <path className="flow" d={bandPath(points, 0, THIN, right)} />
      )}
      {unread > 0 && (
        <>
          {over && <path d={bandPath(points, hatchTop, unread, stop)} fill="var(--paper)" />}
          <path d={bandPath(points, hatchTop, unread, stop)} fill="url(#hatch)" />
        </>
      )}
      {unread === 0 && unreadDrawn > 0 && (
        <rect
          x={thinFrom}
          y={end.y + flow + gap + 3}
          width={Math.max(0, stop - thinFrom)}
          height={THIN}
          fill="url(#hatch)"
        />
      )}
      {unreadDrawn > 0 &&
        (isWaiting && unread > 0 ? (
          <path
            className="s-wait"
            strokeWidth="2"
            fill="none"
            d={`M${stop + 3} ${end.y + hatchTop - 1}v${unread + 2}M${stop + 8} ${end.y + hatchTop - 1}v${unread + 2}`}
          />
        ) : (
          <rect
            className="f-flight"
            x={stop}
            y={end.y + flow + (unread > 0 ? -1 : gap + 2)}
            width="2"
            height={(unread > 0 ? unread : THIN) + 2}
          />
        ))}
      {gap > 0 && <GapDrawing ribbon={ribbon} end={end} right={right} />}
    </g>
  );
}

function GapDrawing({ ribbon, end, right }: { ribbon: Ribbon; end: Point; right: number }) {
  const { edge, flow, gap } = ribbon;
  const y = end.y + Math.max(0, flow - (edge.difference > 0 ? 0 : gap));
  const words =
    edge.difference > 0
      ? `${formatCount(edge.difference)} missing`
      : edge.difference < 0
        ? `${formatCount(-edge.difference)} too many`
        : "not the same events";
  return (
    <>
      <rect className="gap" x={right - 160} y={y} width="160" height={gap} />
      <text className="t-gap end halo" x={right - 10} y={y - 6}>
        <tspan className="w6 f12">{words}</tspan>
      </text>
    </>
  );
}

function BarDrawing({
  bar,
  run,
  waits,
}: {
  bar: Bar;
  run: RunBalance;
  waits: readonly StageWait[];
}) {
  const { stage, x, y } = bar;
  const own = waits.filter((wait) => wait.stage === stage.name && wait.kind !== "parked");
  const [worst] = own;
  const look = worst && states[stateOfWait(worst)];
  const ratio = stage.ratio !== null && Math.abs(stage.ratio - 1) > 0.005 ? stage.ratio : undefined;
  const emitted = run.edges
    .filter((edge) => edge.stage === stage.name && edge.foreign === null)
    .reduce((total, edge) => total + edge.emitted, 0);
  const whole = emitted > stage.consumed && bar.inHeight === 0;
  const named = stage.name.length * 7.4 + 12;
  // Above a line its event's name stands where the count of a stage does else.
  const top = bar.inHeight === 0 && bar.height < 30 ? y - 10 : y;
  return (
    <g>
      <rect className="bar" x={x} y={y} width={BAR} height={bar.height} />
      <Link
        to="/pipelines/$pipeline"
        params={{ pipeline: run.pipeline }}
        search={{ stage: stage.name, run: run.run }}
      >
        <text className="name halo" x={x} y={top - 26}>
          {stage.name}
        </text>
      </Link>
      {look && (
        <>
          <use
            className={`s-${look.tone}`}
            href={`#i-${look.icon}`}
            x={x + named}
            y={top - 37}
            width="13"
            height="13"
          />
          <text className={`t-${look.tone} w6 halo`} x={x + named + 17} y={top - 26}>
            {look.word}
          </text>
        </>
      )}
      <text className="halo" x={x} y={top - 9}>
        {formatCount(stage.consumed)}
        {whole && ` of ${formatCount(emitted)}`}
        {ratio !== undefined && <tspan className="dim"> ×{formatRatio(ratio)}</tspan>}
      </text>
    </g>
  );
}

/** `×16 367`, `×0.25`: emitted for each one that went on. */
export function formatRatio(ratio: number): string {
  if (ratio >= 100) return formatCount(Math.round(ratio));
  return String(Number(ratio.toFixed(ratio >= 10 ? 1 : 2)));
}

function EndDrawing({ end, run, onTip }: { end: End; run: RunBalance; onTip: OnTip }) {
  const { part, label } = end;
  const { tone, icon, word } = states[stateOfPart[part]];
  const emitted = run.edges
    .filter((edge) => edge.stage === end.stage && edge.foreign === null)
    .reduce((total, edge) => total + edge.emitted, 0);
  const share = formatShare(end.events, emitted);
  const about = {
    title: `${formatCount(end.events)} ${word}`,
    text: `by ${end.stage}, ${share} of what was emitted to it`,
  };
  const figure = (
    <>
      <use
        className={`s-${tone}`}
        href={`#i-${icon}`}
        x={label.x}
        y={label.y - 11}
        width="13"
        height="13"
      />
      <text className="halo" x={label.x + 18} y={label.y}>
        <tspan className="big">{formatCount(end.events)}</tspan>{" "}
        <tspan className={`t-${tone} w6 f12`}>{part === "unread" ? "in flight" : word}</tspan>
      </text>
    </>
  );
  return (
    <g {...tipHandlers(about, { x: label.x, y: label.y + 24 }, onTip)} className="ribbon">
      {end.below ? <BelowDrawing end={end} /> : <RightDrawing end={end} />}
      {part === "dead" ? (
        <Link
          to="/dead-letters"
          search={{ pipeline: run.pipeline, stage: end.stage, run: run.run }}
          aria-label={`${end.events} dead letters of ${end.stage}`}
        >
          {figure}
        </Link>
      ) : (
        figure
      )}
      <text className="dim halo" x={label.x + 18} y={label.y + 15}>
        {end.leaf && part === "handled" ? `emitted as ${end.leaf}` : `${share} of what came`}
      </text>
    </g>
  );
}

function endFill(part: End["part"]): { className: string; fill?: string } {
  if (part === "handled" || part === "bypassed") return { className: "bar" };
  if (part === "dead") return { className: "f-dead" };
  if (part === "parked") return { className: "", fill: "url(#dots)" };
  if (part === "dropped") return { className: "f-quiet" };
  return { className: "", fill: "url(#stripe)" };
}

function flowClass(end: End): string {
  if (end.height > 0) {
    if (end.part === "handled" || end.part === "bypassed") return "flow";
    return end.part === "dead" ? "flow died" : end.part === "parked" ? "flow held" : "flow gone";
  }
  const thin: Partial<Record<End["part"], string>> = {
    handled: "f-ok",
    bypassed: "f-ok",
    dead: "f-dead",
    parked: "f-wait",
  };
  return thin[end.part] ?? "f-quiet";
}

function RightDrawing({ end }: { end: End }) {
  const points = [end.from, end.to];
  return (
    <>
      <path className={flowClass(end)} d={bandPath(points, 0, end.drawn, end.to.x)} />
      <rect
        {...endFill(end.part)}
        x={end.to.x}
        y={end.to.y - (end.height === 0 ? 2 : 0)}
        width="8"
        height={end.height === 0 ? 6 : end.drawn}
      />
    </>
  );
}

function BelowDrawing({ end }: { end: End }) {
  const { from, to, part } = end;
  const tone = part === "dead" ? "k-dead" : part === "parked" ? "k-wait" : "k-quiet";
  if (end.height === 0)
    return (
      <>
        <path
          className={tone}
          fill="none"
          strokeWidth="2"
          d={`M${from.x - 1} ${from.y - 0.5}h4q6 0 6 6V${to.y}`}
        />
        <rect {...endFill(part)} x={to.x - 0.5} y={to.y} width="10" height="6" />
      </>
    );
  return (
    <>
      <rect className={flowClass(end)} x={from.x} y={from.y} width={STUB - 8} height={end.height} />
      <rect {...endFill(part)} x={from.x + STUB - 8} y={from.y} width="8" height={end.height} />
      <path
        className={tone}
        fill="none"
        strokeWidth="2"
        d={`M${from.x + 9} ${from.y + end.height}V${to.y}`}
      />
      <rect {...endFill(part)} x={from.x + 4} y={to.y} width="10" height="6" />
    </>
  );
}

function NoteDrawing({ note, waits }: { note: Note; waits: readonly StageWait[] }) {
  const { edge, at } = note;
  const reasons = waitsOf(waits, edge);
  return (
    <g>
      <use className="s-flight" href="#i-flight" x={at.x} y={at.y - 11} width="13" height="13" />
      <text className="halo" x={at.x + 18} y={at.y}>
        <tspan className="fig">{formatCount(partOf(edge, "unread"))}</tspan>{" "}
        <tspan className="t-flight w6">in flight</tspan>
      </text>
      {reasons.map((wait, index) => (
        <text
          key={wait.kind}
          className={`t-${states[stateOfWait(wait)].tone} halo`}
          x={at.x + 18}
          y={at.y + 15 * (index + 1)}
        >
          {waitText(wait)}
        </text>
      ))}
    </g>
  );
}

/** The state of a stage at which events wait. */
export function stateOfWait(wait: StageWait): StateName {
  const known: Record<StageWait["kind"], StateName> = {
    unworked: "unworked",
    on_hold: "held",
    breaker_open: "waiting",
    throttled: "throttled",
    parked: "parked",
  };
  return known[wait.kind];
}

function edgeTip(edge: EdgeBalance): { title: string; text: string } {
  const consumed = consumedOf(edge);
  const each = edge.seconds_each === null ? "" : `, ${formatEach(edge.seconds_each)} each`;
  return {
    title: edge.event_type,
    text:
      `${formatCount(consumed)} of ${formatCount(edge.emitted)} taken by ${edge.stage}` +
      ` (${formatShare(consumed, edge.emitted)})${each}`,
  };
}

/** Seconds in the unit that suits: `11 µs`, `3.1 ms`, `1.9 s`. */
export function formatEach(seconds: number): string {
  if (seconds < 0.001) return `${Math.max(1, Math.round(seconds * 1e6))} µs`;
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  return formatDuration(seconds * 1000);
}

function tipHandlers(about: { title: string; text: string }, at: Point, onTip: OnTip) {
  const show = () => onTip({ ...about, ...at });
  const hide = () => onTip(undefined);
  return { onPointerEnter: show, onPointerLeave: hide, onFocus: show, onBlur: hide };
}

/** A band along points, `top` px below them and `height` px high, that ends at `right`. */
function bandPath(points: readonly Point[], top: number, height: number, right: number): string {
  const way = points.map((point, index) => ({
    x: index === points.length - 1 ? right : point.x,
    y: point.y + top,
  }));
  const back = way.map(({ x, y }) => ({ x, y: y + height })).reverse();
  const [first] = back;
  if (!first) return "";
  return `${curve(way)}L${first.x} ${first.y}${curve(back).replace(/^M[^CLH]*/, "")}z`;
}

function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first) return "";
  let path = `M${first.x} ${first.y}`;
  let from = first;
  for (const to of rest) {
    const middle = (from.x + to.x) / 2;
    path +=
      to.y === from.y
        ? `L${to.x} ${to.y}`
        : `C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`;
    from = to;
  }
  return path;
}

function linePath(points: readonly Point[], skip: number, right: number): string {
  const way = points.map(({ x, y }, index) => ({
    x: index === points.length - 1 ? right : index === 0 ? x + skip : x,
    y,
  }));
  return curve(way);
}
