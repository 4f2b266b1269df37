/** What does this tab know of the views that it shows? */

import type { Link, ToTab } from "./liveHub";
import type { LiveLink, OpenLink } from "./liveLink";
import { type Changes, changedRows, type Rows, type ViewChange } from "./views";

type Listener = (change: ViewChange | undefined) => void;

/** Holds rows by view while somebody listens. */
export class LiveStore {
  private readonly rows = new Map<string, Rows>();
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly linkListeners = new Set<() => void>();
  private link: LiveLink | undefined;
  private state: Link = { state: "opening", heard: Date.now() };

  constructor(private readonly open: OpenLink) {}

  /** The rows of a view; undefined while they are not known. */
  get(view: string): Rows | undefined {
    return this.rows.get(view);
  }

  /** Whether the stream is there. */
  getLink(): Link {
    return this.state;
  }

  /** Call `listener` after each change of a view, until the returned function is called. */
  listen(view: string, listener: Listener): () => void {
    let of = this.listeners.get(view);
    if (!of) {
      of = new Set();
      this.listeners.set(view, of);
      this.want();
    }
    of.add(listener);
    const listeners = of;
    return () => {
      listeners.delete(listener);
      if (listeners.size > 0 || this.listeners.get(view) !== listeners) return;
      this.listeners.delete(view);
      this.rows.delete(view);
      this.want();
    };
  }

  /** Call `listener` whenever the stream is lost or found. */
  listenToLink(listener: () => void): () => void {
    this.linkListeners.add(listener);
    return () => this.linkListeners.delete(listener);
  }

  /** Open the stream anew. */
  askNow(): void {
    this.link?.send({ kind: "ask" });
  }

  /** Leave the stream. */
  close(): void {
    this.link?.close();
    this.link = undefined;
  }

  private want(): void {
    if (!this.link) {
      if (this.listeners.size === 0) return;
      this.link = this.open((message) => this.take(message));
    }
    this.link.send({ kind: "want", views: [...this.listeners.keys()].sort() });
  }

  private take(message: ToTab): void {
    if (message.kind === "link") {
      this.state = message.link;
      for (const listener of this.linkListeners) listener();
      return;
    }
    this.apply(message.views);
  }

  private apply(views: Changes): void {
    for (const [view, change] of Object.entries(views)) {
      const listeners = this.listeners.get(view);
      if (!listeners) continue;
      this.rows.set(view, changedRows(view, this.rows.get(view), change));
      for (const listener of [...listeners]) listener(change);
    }
  }
}
