/** Runs the hub for all tabs of the console. Each tab holds a lock as long as it lives. */

import { openEventStream } from "./eventStream";
import { LiveHub, type ToHub, type ToTab } from "./liveHub";

export interface Joining {
  kind: "join";
  /** The address of the stream. */
  address: string;
  /** The name of the lock that the tab holds. */
  lock: string;
}

let hub: LiveHub | undefined;

addEventListener("connect", (event) => {
  const port = (event as MessageEvent).ports[0];
  if (!port) return;
  const send = (message: ToTab) => port.postMessage(message);
  port.onmessage = ({ data }: MessageEvent<Joining | ToHub>) => {
    if (data.kind !== "join") {
      hub?.take(send, data);
      return;
    }
    hub ??= new LiveHub((views) => openEventStream(data.address, views));
    // It is granted once the tab is gone, however it went.
    void navigator.locks.request(data.lock, () => hub?.take(send, { kind: "leave" }));
  };
});
