/** Where does each line of a run stand in the picture? Counts in, pixels out; nothing is drawn here.
 *
 * One scale for the whole run: a height is a number of events. What would be thinner than 2 px is
 * drawn 2 px thick, set off from its ribbon, and counted as 0 in all heights, so that both sides of
 * a bar stay equal. */

import {
  consumedOf,
  type EdgeBalance,
  ENDED,
  type Part,
  partOf,
  type RunBalance,
  type StageBalance,
  WENT_ON,
} from "../model";

export const THIN = 2; // px; what is thinner is drawn so thick and not counted
export const LEAST_GAP = 4; // px
const TALLEST = 128; // px of the widest edge
const TALLEST_EVENT = 8; // px, so that a run of three events is no wall
const TOP = 76; // px to the first bar
export const BAR = 6; // px, the width of a bar
const LINE_BAR = 18; // px, the height of a bar whose events are a line
const HEADER = 51; // px above a bar for its name and count
export const STOP = 12; // px between what is unread and the bar
export const FAN = 14; // px over which one becomes many
const ENDS = 138; // px from a bar to its ends
const END_LABEL = 220; // px
const END_STEP = 38; // px between two ends
const CURVE = 170; // px in which a ribbon comes down to its reader
const INSIDE = 34; // px of a ribbon that has room for its words
const LEVEL = 1.02; // a stage that emits so much more makes many of one
export const STUB = 28; // px

/** A ribbon from one place to another, through any number of columns. */
export interface Ribbon {
  edge: EdgeBalance;
  /** Left and top of each point, from the source to the reader. */
  points: readonly Point[];
  /** Consumed: 0 where it is thin. */
  flow: number;
  flowDrawn: number;
  /** Unread; it stops before the bar. */
  unread: number;
  unreadDrawn: number;
  /** Events that nobody accounts for; 0 if there are none. */
  gap: number;
  /** True for roots and chunks: a line. */
  isLine: boolean;
  isRoot: boolean;
  /** True if other readers have the same event. */
  isFork: boolean;
  /** True if several stages emit the event: nobody knows how many each. */
  isMerge: boolean;
  /** True where one becomes many at the reader: the ribbon ends before it, and dots lead on. */
  fans: boolean;
}

export interface Point {
  x: number;
  y: number;
}

/** A stage. */
export interface Bar {
  stage: StageBalance;
  x: number;
  y: number;
  /** As drawn. */
  height: number;
  /** What came in, and what went out of it or ended in it, in px; the thin is counted as 0. */
  inHeight: number;
  outHeight: number;
  /** The middle of what goes on, for lines. */
  middle: number;
  isLeaf: boolean;
}

/** Dots that say that one became many, or many one. */
export interface Fan {
  from: readonly [Point, Point];
  to: readonly [Point, Point];
}

/** What ended at a stage, or waits there. */
export interface End {
  stage: string;
  part: Part;
  events: number;
  height: number;
  drawn: number;
  /** Where it leaves the bar. */
  from: Point;
  /** Where it ends: at the right for the last stages, below for the others. */
  to: Point;
  label: Point;
  /** True for a stage of which others go on: then it turns down. */
  below: boolean;
  leaf: string | undefined;
}

/** What is in flight on an edge. */
export interface Note {
  edge: EdgeBalance;
  at: Point;
}

/** The name and figures of an event on its ribbon. */
export interface EventLabel {
  eventType: string;
  at: Point;
  /** How far below its name its count stands. */
  below: number;
  emitted: number;
  readers: number;
  isRoot: boolean;
  /** True if it stands on its ribbon. */
  isInside: boolean;
}

export interface Picture {
  width: number;
  height: number;
  /** Pixels for an event. */
  scale: number;
  bars: Bar[];
  ribbons: Ribbon[];
  fans: Fan[];
  ends: End[];
  notes: Note[];
  labels: EventLabel[];
}

interface Slot {
  layer: number;
  key: string;
  stage: StageBalance | undefined;
  y: number;
  /** 1 if its ribbons pass other columns, below what stands there; else 0. */
  passes: 0 | 1;
}

/** Lays out a run in at least `width` px; `reasons` are the lines of text that an edge needs below
 * its count. */
export function layoutBalance(
  run: Pick<RunBalance, "stages" | "edges" | "leaves">,
  width: number,
  reasons: (edge: EdgeBalance) => number = () => 0,
): Picture {
  return new Layout(run, width, reasons).picture();
}

class Layout {
  private readonly edges: EdgeBalance[];
  private readonly stages: Map<string, StageBalance>;
  private readonly scale: number;
  private readonly layers: Map<string, number>;
  private readonly last: number;
  private readonly xs: number[];
  private readonly result: Picture;
  private readonly spans = new Map<string, Point & { height: number; stage: string }>();
  private readonly floors: number[];
  private readonly reasons: (edge: EdgeBalance) => number;

  constructor(
    run: Pick<RunBalance, "stages" | "edges" | "leaves">,
    width: number,
    reasons: (edge: EdgeBalance) => number,
  ) {
    this.reasons = reasons;
    this.edges = run.edges.filter((edge) => edge.foreign === null);
    this.stages = new Map(run.stages.map((stage) => [stage.name, stage]));
    const most = Math.max(
      1,
      ...this.edges.map((edge) => edge.emitted),
      ...run.stages.map((stage) => Math.max(stage.consumed, sum(Object.values(stage.emitted)))),
    );
    this.scale = Math.min(TALLEST_EVENT, TALLEST / most);
    this.layers = this.findLayers();
    this.last = Math.max(0, ...this.layers.values());
    this.xs = this.columns(width);
    this.floors = this.xs.map(() => 0);
    const right = (this.xs.at(-1) ?? 0) + ENDS + END_LABEL;
    this.result = {
      width: Math.max(width, right),
      height: 0,
      scale: this.scale,
      bars: [],
      ribbons: [],
      fans: [],
      ends: [],
      notes: [],
      labels: [],
    };
  }

  picture(): Picture {
    for (let layer = 0; layer <= this.last; layer += 1) {
      const slots = [...this.layers]
        .filter(([, of]) => of === layer)
        .map(([name]) => this.slotOf(name, layer))
        .sort((one, other) => one.passes - other.passes || one.y - other.y);
      for (const slot of slots) this.placeStage(slot);
    }
    this.result.height = Math.max(TOP + LINE_BAR, ...this.floors) + 20;
    return this.result;
  }

  /** Events as pixels; what is thin counts as 0. */
  private px(events: number): number {
    const height = events * this.scale;
    return height < THIN ? 0 : height;
  }

  private drawn(events: number): number {
    return events > 0 ? Math.max(THIN, events * this.scale) : 0;
  }

  private emitters(eventType: string): string[] {
    return [...this.stages.values()]
      .filter((stage) => stage.emits.includes(eventType))
      .map((stage) => stage.name);
  }

  private readers(eventType: string): EdgeBalance[] {
    return this.edges.filter((edge) => edge.event_type === eventType);
  }

  private inputs(stage: string): EdgeBalance[] {
    return this.edges.filter((edge) => edge.stage === stage);
  }

  private outputs(stage: StageBalance): string[] {
    return stage.emits.filter((eventType) => this.readers(eventType).length > 0);
  }

  /** The column of each stage: behind all whose events it reads; the last stages stand at the right. */
  private findLayers(): Map<string, number> {
    const layers = new Map<string, number>();
    for (const name of this.stages.keys()) layers.set(name, 0);
    // Stages come in the order of the graph; a cycle ends after as many rounds as there are stages.
    for (let round = 0; round < this.stages.size; round += 1) {
      let changed = false;
      for (const edge of this.edges) {
        for (const emitter of this.emitters(edge.event_type)) {
          const least = (layers.get(emitter) ?? 0) + 1;
          if ((layers.get(edge.stage) ?? 0) < least && least < this.stages.size) {
            layers.set(edge.stage, least);
            changed = true;
          }
        }
      }
      if (!changed) break;
    }
    const last = Math.max(0, ...layers.values());
    for (const [name, stage] of this.stages)
      if (this.outputs(stage).length === 0) layers.set(name, last);
    return layers;
  }

  private isLine(edge: EdgeBalance): boolean {
    const ratio = this.stages.get(edge.stage)?.ratio ?? 1;
    const isRoot = this.emitters(edge.event_type).length === 0;
    return this.px(edge.emitted) === 0 || (isRoot && ratio > 1);
  }

  /** Where each column stands: near where only lines lead to it, and farther where ribbons do. */
  private columns(width: number): number[] {
    const wide = Array.from({ length: this.last + 1 }, (_, layer) =>
      this.edges.some((edge) => this.layers.get(edge.stage) === layer && !this.isLine(edge)),
    );
    const first = 100;
    const lines = wide.slice(1).filter((each) => !each).length;
    const ribbons = wide.slice(1).length - lines;
    const free = width - first - lines * 136 - ENDS - END_LABEL;
    const step = ribbons > 0 ? Math.min(280, Math.max(184, free / ribbons)) : 0;
    const xs = [first];
    wide.slice(1).forEach((each, index) => {
      const least = this.endsAndForks(index) ? CURVE + 130 : 0;
      xs.push((xs.at(-1) ?? 0) + (each ? Math.max(step, least) : 136));
    });
    return xs.map(Math.round);
  }

  /** True if something ends in a column below ribbons that come down from it. */
  private endsAndForks(layer: number): boolean {
    return [...this.stages.values()].some((stage) => {
      if (this.layers.get(stage.name) !== layer) return false;
      const forks = this.outputs(stage).some((eventType) => this.readers(eventType).length > 1);
      const ended = this.partsOf(this.inputs(stage.name), [...ENDED, "parked"]);
      return forks && ended.length > 0;
    });
  }

  /** Where a stage would like to stand: so that its first ribbon is straight. */
  private slotOf(name: string, layer: number): Slot {
    const wanted = this.inputs(name).map((edge) => this.spans.get(edge.event_type)?.y ?? TOP);
    const from = this.inputs(name).map(
      (edge) => this.layers.get(this.spans.get(edge.event_type)?.stage ?? "") ?? layer - 1,
    );
    const passes = Math.max(...from, 0) < layer - 1 ? 1 : 0;
    return { layer, key: name, stage: this.stages.get(name), y: Math.min(...wanted, 1e9), passes };
  }

  private placeStage(slot: Slot): void {
    const stage = slot.stage;
    if (!stage) return;
    const x = this.xs[slot.layer] ?? 0;
    const inputs = this.inputs(stage.name);
    const inHeight = sum(inputs.map((edge) => this.inHeight(edge)));
    const went = sum(inputs.map((edge) => this.went(edge)));
    const outputs = this.outputs(stage);
    const isLeaf = outputs.length === 0;
    const emitted = sum(outputs.map((eventType) => this.px(this.emittedOf(stage, eventType))));
    // One became many: the bar is as high as what goes out. Many became one: as what came in.
    const excess = isLeaf ? 0 : Math.max(0, emitted - went);
    const grows = excess > 0 && emitted > went * LEVEL;
    const height = inHeight + excess;
    // Where nothing is taken yet, what waits stands before a bar of its own height.
    const isThin = height === 0 && inputs.every((edge) => this.isLine(edge));
    const span = sum(inputs.map((edge) => this.px(edge.emitted)));
    const center = TOP + TALLEST / 2;
    const floor = Math.max(this.floors[slot.layer] ?? 0, this.floorOfWay(inputs, slot.layer));
    const first = floor === 0;
    const wanted = isThin
      ? (first ? center : this.middleOfSource(inputs)) - LINE_BAR / 2
      : grows && first
        ? TOP
        : slot.y;
    const y = first ? Math.max(TOP, Math.min(wanted, 1e6)) : Math.max(wanted, floor + HEADER);
    const bar: Bar = {
      stage,
      x,
      y,
      height: height === 0 ? LINE_BAR : Math.max(THIN, height),
      inHeight,
      outHeight: 0,
      middle: isThin ? y + LINE_BAR / 2 : y + height / 2,
      isLeaf,
    };
    this.result.bars.push(bar);
    let at = y;
    for (const edge of inputs) {
      this.addRibbon(edge, bar, at, grows);
      at += this.inHeight(edge);
    }
    // What an edge in flight says stands below it, and may be lower.
    this.floors[slot.layer] = Math.max(this.floors[slot.layer] ?? 0, y + bar.height, y + span);
    if (isLeaf) this.addEndsAtTheRight(bar, inputs);
    else this.addOutputs(bar, inputs, outputs, went, grows);
  }

  /** Below what a stage must stand so that ribbons from farther columns pass what is between. */
  private floorOfWay(inputs: EdgeBalance[], layer: number): number {
    const sources = inputs.flatMap((edge) => this.spans.get(edge.event_type)?.stage ?? []);
    const froms = sources.map((source) => this.layers.get(source) ?? layer);
    const from = Math.min(...froms, layer);
    return Math.max(0, ...this.floors.slice(from + 1, layer));
  }

  /** How high an edge stands at its bar. */
  private inHeight(edge: EdgeBalance): number {
    return sum(
      [...WENT_ON, ...ENDED, "parked" as const].map((part) => this.px(partOf(edge, part))),
    );
  }

  private went(edge: EdgeBalance): number {
    return sum(WENT_ON.map((part) => this.px(partOf(edge, part))));
  }

  private emittedOf(stage: StageBalance, eventType: string): number {
    return stage.emitted[eventType] ?? 0;
  }

  private middleOfSource(inputs: EdgeBalance[]): number {
    for (const edge of inputs) {
      const span = this.spans.get(edge.event_type);
      if (span) return span.y + span.height / 2;
    }
    return TOP + TALLEST / 2;
  }

  private addRibbon(edge: EdgeBalance, bar: Bar, at: number, grows: boolean): void {
    const readers = this.readers(edge.event_type);
    const span = this.spans.get(edge.event_type);
    const isLine = this.isLine(edge);
    const isRoot = this.emitters(edge.event_type).length === 0;
    const end = { x: bar.x, y: isLine ? bar.middle : at };
    const isMerge = !isRoot && this.emitters(edge.event_type).length > 1;
    const start = isRoot
      ? { x: 8, y: end.y }
      : isMerge || !span
        ? { x: bar.x - 110, y: end.y }
        : { x: span.x, y: isLine ? span.y + span.height / 2 : span.y };
    const consumed = consumedOf(edge);
    const unread = partOf(edge, "unread");
    const isFork = readers.length > 1;
    const flow = isLine ? 0 : this.inHeight(edge);
    this.result.ribbons.push({
      edge,
      points: this.route(start, end, span?.stage, bar),
      flow,
      flowDrawn: isLine || flow === 0 ? (consumed > 0 || edge.emitted > 0 ? THIN : 0) : flow,
      unread: isLine ? 0 : this.px(unread),
      unreadDrawn: isLine ? (unread > 0 ? THIN : 0) : this.drawn(unread),
      gap:
        edge.difference === 0 && edge.same_events
          ? 0
          : Math.max(LEAST_GAP, Math.abs(edge.difference) * this.scale),
      isLine,
      isRoot,
      isFork,
      isMerge,
      fans: grows,
    });
    if (grows) this.addFan(bar, at, isLine, flow);
    if (edge.in_flight > partOf(edge, "parked"))
      this.addNote(edge, bar, start, span, isLine, isFork);
    if (isRoot || isMerge) {
      const above = isLine ? 14 : 24;
      this.result.labels.push({
        eventType: edge.event_type,
        at: { x: isRoot ? 0 : start.x, y: end.y - above },
        below: isLine ? 36 : 15,
        emitted: edge.emitted,
        readers: readers.length,
        isRoot,
        isInside: false,
      });
    }
  }

  private addFan(bar: Bar, at: number, isLine: boolean, flow: number): void {
    const top = isLine ? bar.middle : at;
    const bottom = isLine ? bar.middle : at + flow;
    this.result.fans.push({
      from: [
        { x: bar.x - FAN, y: top },
        { x: bar.x - FAN, y: bottom },
      ],
      to: [
        { x: bar.x, y: bar.y },
        { x: bar.x, y: bar.y + bar.height },
      ],
    });
  }

  /** The way of a ribbon; in each column between, it goes below what stands there. */
  private route(start: Point, end: Point, source: string | undefined, bar: Bar): Point[] {
    const from = source === undefined ? -1 : (this.layers.get(source) ?? -1);
    const to = this.layers.get(bar.stage.name) ?? 0;
    const points = [start];
    if (from >= 0 && to > from + 1) {
      points.push({ x: (this.xs[from + 1] ?? 0) - 20, y: end.y }); // and stays at this height
      for (let layer = from + 1; layer < to; layer += 1)
        this.floors[layer] = Math.max(this.floors[layer] ?? 0, end.y + bar.height);
    } else if (start.y !== end.y && end.x - start.x > CURVE + 20) {
      points.push({ x: end.x - CURVE, y: start.y }); // what stands below its beginning stays free
    }
    points.push(end);
    return points;
  }

  private addNote(
    edge: EdgeBalance,
    bar: Bar,
    start: Point,
    span: { y: number; height: number } | undefined,
    isLine: boolean,
    isFork: boolean,
  ): void {
    const lines = 16 + 15 * this.reasons(edge);
    const layer = this.layers.get(bar.stage.name) ?? 0;
    const bottom = bar.y + Math.max(bar.height, this.px(edge.emitted));
    const beside = isFork && !isLine && bar.isLeaf && start.y === bar.y;
    if (isLine || isFork || !span) {
      const at = isLine
        ? { x: start.x + 24, y: bar.middle + 40 }
        : beside
          ? { x: bar.x + 18, y: bottom + 19 }
          : { x: bar.x - 96, y: bottom + 24 };
      this.result.notes.push({ edge, at });
      this.floors[layer] = Math.max(this.floors[layer] ?? 0, at.y + lines - 8);
      return;
    }
    const owner = layer - 1;
    const low = Math.max(bottom, span.y + span.height) + 23;
    this.result.notes.push({ edge, at: { x: start.x + 24, y: low } });
    this.floors[owner] = Math.max(this.floors[owner] ?? 0, low + lines - 8);
  }

  private addEndsAtTheRight(bar: Bar, inputs: EdgeBalance[]): void {
    const leaf = bar.stage.emits.find((eventType) => this.readers(eventType).length === 0);
    const parts = this.partsOf(inputs, [...WENT_ON, ...ENDED, "parked"]);
    let from = bar.y;
    let free = bar.y - 20;
    const beside = this.result.notes.find(
      (note) => note.at.x === bar.x + 18 && note.edge.stage === bar.stage.name,
    );
    const layer = this.layers.get(bar.stage.name) ?? 0;
    if (bar.inHeight === 0) from = bar.middle;
    for (const { part, events } of parts) {
      const height = this.px(events);
      const drawn = this.drawn(events);
      const middle = Math.max(from + height / 2, free + END_STEP / 2);
      const thinFrom = height === 0 ? Math.max(bar.y, from - THIN) : from;
      this.result.ends.push({
        stage: bar.stage.name,
        part,
        events,
        height,
        drawn,
        from: { x: bar.x + BAR, y: thinFrom },
        to: { x: bar.x + ENDS, y: middle - drawn / 2 },
        label: { x: bar.x + ENDS + 18, y: middle - 2 },
        below: false,
        leaf: part === "handled" ? leaf : undefined,
      });
      free = Math.max(middle + height / 2, middle + END_STEP / 2);
      from += height;
      bar.outHeight += height;
      const low = middle + drawn / 2;
      if (beside && from > bar.y + height && low + 20 > beside.at.y) beside.at.y = low + 20;
    }
    const lines = beside ? beside.at.y + 15 * this.reasons(beside.edge) : 0;
    this.floors[layer] = Math.max(this.floors[layer] ?? 0, free, lines);
  }

  private addOutputs(
    bar: Bar,
    inputs: EdgeBalance[],
    outputs: string[],
    went: number,
    grows: boolean,
  ): void {
    let at = bar.y;
    const shrinks =
      !grows && sum(outputs.map((t) => this.px(this.emittedOf(bar.stage, t)))) < went - 1e-9;
    const layer = this.layers.get(bar.stage.name) ?? 0;
    for (const eventType of outputs) {
      const emitted = this.emittedOf(bar.stage, eventType);
      const height = this.px(emitted);
      const isLine = height === 0;
      const readers = this.readers(eventType).length;
      const x = bar.x + BAR;
      this.spans.set(eventType, {
        x,
        y: isLine ? bar.middle : at,
        height,
        stage: bar.stage.name,
      });
      this.result.labels.push({
        eventType,
        at:
          height < INSIDE && readers > 1
            ? aboveFork(bar, isLine ? bar.middle : at, isLine)
            : this.labelAt(x, isLine ? bar.middle : at, height),
        below: height < INSIDE && readers > 1 ? 14 : isLine ? 25 : 15,
        emitted,
        readers,
        isRoot: false,
        isInside: height >= INSIDE && this.leastFlow(eventType) >= INSIDE,
      });
      at += height;
    }
    if (shrinks)
      this.result.fans.push({
        from: [
          { x: bar.x + BAR, y: bar.y },
          { x: bar.x + BAR, y: bar.y + went },
        ],
        to: [
          { x: bar.x + BAR + FAN, y: bar.y },
          { x: bar.x + BAR + FAN, y: at },
        ],
      });
    bar.outHeight = went;
    const longest = Math.max(bar.y + bar.height, at);
    this.floors[layer] = Math.max(this.floors[layer] ?? 0, longest);
    this.addEndsBelow(bar, inputs, Math.max(at, bar.y + (grows ? at - bar.y : went)));
  }

  /** The height of what is consumed of an event, of its slowest reader. */
  private leastFlow(eventType: string): number {
    return Math.min(...this.readers(eventType).map((edge) => this.inHeight(edge)));
  }

  private labelAt(x: number, y: number, height: number): Point {
    if (height === 0) return { x: x + 14, y: y - 7 };
    if (height < INSIDE) return { x: x + 20, y: y + height + 14 };
    return { x: x + 20, y: y + Math.min(40, height / 2 - 2) };
  }

  private addEndsBelow(bar: Bar, inputs: EdgeBalance[], from: number): void {
    const layer = this.layers.get(bar.stage.name) ?? 0;
    let foot = from;
    // Below what is in flight behind this stage, of which its readers tell later.
    const readers = this.outputs(bar.stage).flatMap((eventType) => this.readers(eventType));
    const notes = readers
      .filter((edge) => edge.in_flight > partOf(edge, "parked"))
      .map((edge) => 24 + 15 * this.reasons(edge));
    const isThin = bar.inHeight === 0;
    let y = bar.y + bar.height + (isThin ? 22 : 26) + sum(notes) + (isThin ? 20 : 0);
    for (const { part, events } of this.partsOf(inputs, [...ENDED, "parked"])) {
      const height = this.px(events);
      y = Math.max(y, foot + height + 20);
      this.result.ends.push({
        stage: bar.stage.name,
        part,
        events,
        height,
        drawn: this.drawn(events),
        from: { x: bar.x + BAR, y: isThin ? bar.y + bar.height - THIN : foot },
        to: { x: bar.x + BAR + (height === 0 ? 4 : STUB), y },
        label: { x: bar.x + 30, y: y + 5 },
        below: true,
        leaf: undefined,
      });
      foot += height;
      bar.outHeight += height;
      y += END_STEP;
    }
    this.floors[layer] = Math.max(this.floors[layer] ?? 0, y - 12);
  }

  /** The parts of all edges of a stage that are not 0, the largest first. */
  private partsOf(inputs: EdgeBalance[], parts: readonly Part[]): { part: Part; events: number }[] {
    return parts
      .map((part) => ({ part, events: sum(inputs.map((edge) => partOf(edge, part))) }))
      .filter(({ events }) => events > 0)
      .sort((one, other) => other.events - one.events);
  }
}

/** Where the words of a thin ribbon stand that leads to several readers: all above it, for the way of
 * the second one comes down below; and right of the words of their stage that are as high. */
function aboveFork({ x, stage }: Bar, y: number, isLine: boolean): Point {
  const words = isLine ? 7 * String(stage.consumed).length : 7.4 * stage.name.length;
  return { x: x + BAR + Math.max(14, 4 + words), y: y - 21 };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
