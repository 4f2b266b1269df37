/** How does a tab reach the hub: in a worker that all tabs share or, without such workers, its own? */

import { addressOf } from "@/api/client";
import { openEventStream } from "./eventStream";
import type { Joining } from "./live.worker";
import { LiveHub, type ToHub, type ToTab } from "./liveHub";

export interface LiveLink {
  send(message: ToHub): void;
  close(): void;
}

/** Opens the link of this tab; `receive` takes what the hub says. */
export type OpenLink = (receive: (message: ToTab) => void) => LiveLink;

export const openLiveLink: OpenLink = (receive) => {
  const address = addressOf("/api/v1/stream");
  if (typeof SharedWorker === "undefined" || !navigator.locks) return ownHub(address, receive);
  const worker = new SharedWorker(new URL("./live.worker.ts", import.meta.url), {
    type: "module",
    name: `farandole ${address}`,
  });
  worker.port.onmessage = ({ data }: MessageEvent<ToTab>) => receive(data);
  const lock = `farandole-live-${crypto.randomUUID()}`;
  let release: () => void = () => {};
  const closed = new Promise<void>((resolve) => {
    release = resolve;
  });
  const join: Joining = { kind: "join", address: new URL(address, location.href).href, lock };
  const waiting: ToHub[] = [];
  let joined = false;
  void navigator.locks.request(lock, () => {
    joined = true;
    for (const message of [join, ...waiting]) worker.port.postMessage(message);
    return closed;
  });
  return {
    send: (message) => {
      if (joined) worker.port.postMessage(message);
      else waiting.push(message);
    },
    close: () => {
      worker.port.postMessage({ kind: "leave" } satisfies ToHub);
      release();
      worker.port.close();
    },
  };
};

function ownHub(address: string, receive: (message: ToTab) => void): LiveLink {
  const hub = new LiveHub((views) => openEventStream(address, views));
  return { send: (message) => hub.take(receive, message), close: () => hub.close() };
}
