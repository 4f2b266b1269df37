/** How does a component follow a view of the stream? */

import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useSyncExternalStore } from "react";
import { useFreshness } from "./freshness";
import type { LiveStore } from "./liveStore";
import type { ModelStatus, Rows, ViewChange } from "./views";

export const LiveContext = createContext<LiveStore | undefined>(undefined);

const REFRESH_MS = 1_000;
/** What changes at the same time is asked for at once. */
const GATHER_MS = 50;
const SELDOM_MS = 60_000;

/** The rows of a view by key, such as `incidents`, `run/k7mq2…` or `stages/order-lines`; undefined
 * while they are not known. Without a view nothing is followed. */
export function useLive<T>(view: string | undefined): ReadonlyMap<string, T> | undefined {
  const store = useContext(LiveContext);
  const subscribe = useCallback(
    (changed: () => void) => (view && store ? store.listen(view, changed) : () => {}),
    [store, view],
  );
  const get = useCallback(
    (): Rows | undefined => (view ? store?.get(view) : undefined),
    [store, view],
  );
  return useSyncExternalStore(subscribe, get) as ReadonlyMap<string, T> | undefined;
}

/** Calls `changed` after each change of a view, the first snapshot too. */
export function useLiveChanges(
  view: string | undefined,
  changed: (change: ViewChange) => void,
): void {
  const store = useContext(LiveContext);
  useEffect(() => {
    if (!view || !store) return;
    return store.listen(view, (change) => {
      if (change) changed(change);
    });
  }, [store, view, changed]);
}

/** Asks for answers again when a view changes: at once, and then at most once in `every` ms. The first
 * snapshot of a view asks for nothing: the answer is as new. */
export function useLiveRefresh(
  view: string | undefined,
  queryKey: QueryKey,
  every = REFRESH_MS,
): void {
  const queries = useQueryClient();
  const store = useContext(LiveContext);
  const name = JSON.stringify(queryKey);
  useEffect(() => {
    if (!view || !store) return;
    let due: ReturnType<typeof setTimeout> | undefined;
    let isFirst = store.get(view) === undefined;
    let asked = 0;
    const askLater = () => {
      due ??= setTimeout(
        () => {
          due = undefined;
          const queryKey = JSON.parse(name) as QueryKey;
          // An answer that takes long is waited for: asking again would begin it anew each second.
          const isAsked = queries.isFetching({ queryKey }) > 0;
          asked = Date.now();
          if (isAsked) askLater();
          else void queries.invalidateQueries({ queryKey });
        },
        Math.max(GATHER_MS, asked + every - Date.now()),
      );
    };
    const stop = store.listen(view, () => {
      if (isFirst) isFirst = false;
      else askLater();
    });
    return () => {
      stop();
      clearTimeout(due);
    };
  }, [store, view, queries, name, every]);
}

/** In how many milliseconds an answer is asked for again: in `ms`, or seldom while the stream tells of
 * each change of `view`. Some things change with the time alone, such as that a mute has ended. */
export function usePollInterval(view: string | undefined, ms: number): number {
  const store = useContext(LiveContext);
  const { state } = useFreshness();
  const subscribe = useCallback(
    (changed: () => void) => (view && store ? store.listen(view, changed) : () => {}),
    [store, view],
  );
  const isTold = useSyncExternalStore(
    subscribe,
    () => view !== undefined && store?.get(view) !== undefined,
  );
  return isTold && state === "live" ? Math.max(ms, SELDOM_MS) : ms;
}

/** How far the console's data are to be trusted; undefined while that is not known. */
export function useModelStatus(): ModelStatus | undefined {
  return useLive<ModelStatus>("status")?.get("status");
}
