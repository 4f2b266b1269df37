/** How do all tabs share one stream? The hub holds the stream, and what it has told. */

import { type Changes, changedRows, type Rows } from "./views";

/** What an EventSource is to the hub. */
export interface Source {
  onmessage: ((views: Changes) => void) | undefined;
  /** The stream is open again. */
  onopen: (() => void) | undefined;
  /** It was lost; `final` if it does not come back by itself. */
  onlost: ((final: boolean) => void) | undefined;
  close(): void;
}

/** Whether the stream is there; times are milliseconds of the epoch. */
export interface Link {
  state: "opening" | "open" | "lost";
  /** The last time that it told anything, or the beginning. */
  heard: number;
  /** When it is opened again; undefined if it is open, or if the browser does so by itself. */
  nextTry?: number | undefined;
}

export type ToTab = { kind: "changes"; views: Changes } | { kind: "link"; link: Link };
export type ToHub = { kind: "want"; views: string[] } | { kind: "ask" } | { kind: "leave" };

type Send = (message: ToTab) => void;

/** A view that nobody wants stays in the stream for so long: somebody may come back. */
const LINGER_MS = 30_000;
/** So many views the server allows in one stream. */
const MAX_VIEWS = 64;
/** Views that are wanted at the same time open one stream. */
const GATHER_MS = 30;
/** The view `status` tells something every five seconds: a stream that is silent is dead. */
const SILENT_MS = 20_000;
const RETRY_MS = [1_000, 2_000, 4_000, 8_000, 15_000] as const;

/** Give the hub a way to open a stream of some views, and a message to each tab. */
export class LiveHub {
  private readonly tabs = new Map<Send, ReadonlySet<string>>();
  private readonly rows = new Map<string, Rows>();
  private readonly unwantedSince = new Map<string, number>();
  private source: Source | undefined;
  private asked: readonly string[] = [];
  private link: Link = { state: "opening", heard: Date.now() };
  private failures = 0;
  private gathering: ReturnType<typeof setTimeout> | undefined;
  private retrying: ReturnType<typeof setTimeout> | undefined;
  private watching: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly open: (views: readonly string[]) => Source) {}

  /** Take what a tab says; `send` is the same function for each message of a tab. */
  take(send: Send, message: ToHub): void {
    if (message.kind === "leave") {
      this.tabs.delete(send);
    } else if (message.kind === "ask") {
      this.failures = 0;
      this.openNow();
      return;
    } else {
      const before = this.tabs.get(send) ?? new Set();
      if (!this.tabs.has(send)) send({ kind: "link", link: this.link });
      this.tabs.set(send, new Set(message.views));
      const known: Changes = {};
      for (const view of message.views) {
        const rows = this.rows.get(view);
        if (rows && !before.has(view))
          known[view] = { whole: true, rows: Object.fromEntries(rows), removed: [] };
      }
      if (Object.keys(known).length > 0) send({ kind: "changes", views: known });
    }
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined;
      this.adjust();
    }, GATHER_MS);
  }

  /** Close everything. */
  close(): void {
    this.source?.close();
    this.source = undefined;
    clearTimeout(this.gathering);
    this.gathering = undefined;
    clearTimeout(this.retrying);
    clearInterval(this.watching);
    this.watching = undefined;
  }

  /** What the stream is to have: of too many views those of the tabs that came last. */
  private wanted(): string[] {
    const now = Date.now();
    const wanted = new Set([...this.tabs.values()].reverse().flatMap((views) => [...views]));
    for (const view of this.asked) {
      if (wanted.has(view)) this.unwantedSince.delete(view);
      else if (!this.unwantedSince.has(view)) this.unwantedSince.set(view, now);
      const since = this.unwantedSince.get(view);
      if (since !== undefined && now - since < LINGER_MS) wanted.add(view);
    }
    return [...wanted].slice(0, MAX_VIEWS).sort();
  }

  /** Open another stream if other views are wanted. */
  private adjust(): void {
    if (this.tabs.size === 0) {
      this.close();
      this.rows.clear();
      this.asked = [];
      return;
    }
    if (this.source && this.wanted().join() === this.asked.join()) return;
    this.openNow();
  }

  private openNow(): void {
    this.close();
    this.asked = this.wanted();
    for (const view of this.rows.keys()) if (!this.asked.includes(view)) this.rows.delete(view);
    for (const view of this.unwantedSince.keys())
      if (!this.asked.includes(view)) this.unwantedSince.delete(view);
    if (this.asked.length === 0) return;
    const source = this.open(this.asked);
    this.source = source;
    source.onopen = () => {
      this.failures = 0;
      this.hear();
    };
    source.onmessage = (views) => {
      for (const [view, change] of Object.entries(views))
        this.rows.set(view, changedRows(view, this.rows.get(view), change));
      this.hear();
      for (const [send, wanted] of this.tabs) {
        const own = Object.entries(views).filter(([view]) => wanted.has(view));
        if (own.length > 0) send({ kind: "changes", views: Object.fromEntries(own) });
      }
    };
    source.onlost = (final) => this.lose(final);
    const opened = Date.now();
    this.watching = setInterval(() => {
      if (Date.now() - Math.max(this.link.heard, opened) > SILENT_MS) this.lose(true);
      else this.adjust();
    }, 5_000);
  }

  private hear(): void {
    const before = this.link.state;
    this.link = { state: "open", heard: Date.now() };
    if (before !== "open") this.tell();
  }

  private lose(final: boolean): void {
    let nextTry: number | undefined;
    if (final) {
      this.close();
      const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)] ?? 15_000;
      this.failures += 1;
      nextTry = Date.now() + wait;
      this.retrying = setTimeout(() => this.openNow(), wait);
    }
    this.link = { state: "lost", heard: this.link.heard, nextTry };
    this.tell();
  }

  private tell(): void {
    for (const send of this.tabs.keys()) send({ kind: "link", link: this.link });
  }
}
