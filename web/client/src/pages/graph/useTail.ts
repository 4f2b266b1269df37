/** Which events pass an edge now? What cannot be shown is counted, never kept. */

import { useEffect, useRef, useState } from "react";
import { addressOf } from "@/api/client";

/** An event as the server sends it. */
export interface TailEvent {
  topic: string;
  partition: number;
  offset: number;
  key: string | null;
  run: string | null;
  /** Milliseconds of the epoch. */
  time: number | null;
  /** In one line, for the list. */
  line: string;
  /** JSON with a line for each member, or text. */
  data: string;
  cut: boolean;
  size: number;
  unreadable: string | null;
}

interface Batch {
  events: TailEvent[];
  skipped: number;
  undecided: number;
  reason: string;
}

export interface TailState {
  /** The newest first. */
  events: TailEvent[];
  open: boolean;
  /** Events that neither the server nor the page could follow. */
  skipped: number;
  undecided: number;
  reason: string;
  /** Events that have come while it was paused; at most KEPT of them are shown when it goes on. */
  waiting: number;
  problem: string | undefined;
}

const KEPT = 100;
const EMPTY: TailState = {
  events: [],
  open: false,
  skipped: 0,
  undecided: 0,
  reason: "",
  waiting: 0,
  problem: undefined,
};

/** Follow the events of a type. While `paused` the newest are held back, and the others counted. */
export function useTail({
  pipeline,
  event,
  run,
  condition,
  paused,
}: {
  pipeline: string;
  event: string;
  run: string | undefined;
  condition: string;
  paused: boolean;
}): TailState {
  const [state, setState] = useState(EMPTY);
  const held = useRef<TailEvent[]>([]);
  const isPaused = useRef(paused);
  useEffect(() => {
    isPaused.current = paused;
    if (!paused)
      setState((before) => ({
        ...before,
        events: newest(held.current.splice(0), before.events),
        waiting: 0,
      }));
  }, [paused]);
  useEffect(() => {
    setState(EMPTY);
    held.current = [];
    const address = addressOf("/api/v1/pipelines/{pipeline}/event-types/{event_type}/tail", {
      path: { pipeline, event_type: event },
      query: { run, where: condition },
    });
    const source = new EventSource(address);
    const asking = new AbortController();
    source.onopen = () => setState((before) => ({ ...before, open: true }));
    source.onerror = () => {
      setState((before) => ({ ...before, open: false }));
      if (source.readyState === EventSource.CLOSED)
        void refusalOf(address, asking.signal).then((problem) =>
          setState((before) => ({ ...before, problem })),
        );
    };
    source.addEventListener("records", ({ data }: MessageEvent<string>) => {
      const batch = JSON.parse(data) as Batch;
      const dropped = isPaused.current ? hold(held.current, batch.events) : 0;
      setState((before) => ({
        ...before,
        open: true,
        events: isPaused.current ? before.events : newest(batch.events, before.events),
        waiting: isPaused.current ? held.current.length : 0,
        skipped: before.skipped + batch.skipped + dropped,
        undecided: before.undecided + batch.undecided,
        reason: batch.reason || before.reason,
      }));
    });
    source.addEventListener("problem", ({ data }: MessageEvent<string>) => {
      const { detail } = JSON.parse(data) as { detail: string };
      setState((before) => ({ ...before, open: false, problem: detail }));
      source.close();
    });
    return () => {
      source.close();
      asking.abort();
    };
  }, [pipeline, event, run, condition]);
  return state;
}

/** Why the server refuses a stream: an EventSource does not say it. */
async function refusalOf(address: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const answer = await fetch(address, { signal });
    if (!answer.ok) return ((await answer.json()) as { detail?: string }).detail;
    await answer.body?.cancel();
  } catch {
    // It was not wanted any more, or the server does not answer: the stream says so.
  }
  return undefined;
}

/** The newest KEPT, the newest first. */
export function newest(events: readonly TailEvent[], before: readonly TailEvent[]): TailEvent[] {
  return [...events.toReversed(), ...before].slice(0, KEPT);
}

/** Keep the newest KEPT of `held`; the number of those that were given up. */
export function hold(held: TailEvent[], events: readonly TailEvent[]): number {
  held.push(...events);
  return held.splice(0, Math.max(0, held.length - KEPT)).length;
}
