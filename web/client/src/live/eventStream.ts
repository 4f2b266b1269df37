/** How is a stream of changes opened? */

import type { Source } from "./liveHub";
import type { Changes } from "./views";

/** A stream of `views` from `address`, the API's path of it. */
export function openEventStream(address: string, views: readonly string[]): Source {
  const query = new URLSearchParams({ topics: views.join(",") });
  const events = new EventSource(`${address}?${query}`);
  const source: Source = {
    onmessage: undefined,
    onopen: undefined,
    onlost: undefined,
    close: () => events.close(),
  };
  events.addEventListener("open", () => source.onopen?.());
  events.addEventListener("error", () => source.onlost?.(events.readyState === EventSource.CLOSED));
  events.addEventListener("change", (event: MessageEvent<string>) =>
    source.onmessage?.((JSON.parse(event.data) as { views: Changes }).views),
  );
  return source;
}
