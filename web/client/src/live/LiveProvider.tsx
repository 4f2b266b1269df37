/** Where do live data come from? */

import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { useNow } from "@/preferences/clock";
import { type Freshness, FreshnessProvider } from "./freshness";
import type { Link } from "./liveHub";
import { openLiveLink } from "./liveLink";
import { LiveStore } from "./liveStore";
import { NeedsContext } from "./needs";
import { troubleOf } from "./troubleOf";
import { LiveContext, useLive, useModelStatus } from "./useLive";
import type { AttentionItem, ModelStatus } from "./views";

/** A stream may be lost for so long before anything is said of it. */
const PATIENCE_MS = 4_000;

/** Holds the one stream of the console for all that is below it. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const [store] = useState(() => new LiveStore(openLiveLink));
  useEffect(() => () => store.close(), [store]);
  return (
    <LiveContext value={store}>
      <FreshnessOf store={store}>
        <NeedsOf>{children}</NeedsOf>
      </FreshnessOf>
    </LiveContext>
  );
}

function FreshnessOf({ store, children }: { store: LiveStore; children: ReactNode }) {
  const link = useSyncExternalStore(
    (changed) => store.listenToLink(changed),
    () => store.getLink(),
  );
  const status = useModelStatus();
  const now = useNow();
  const isLost = link.state !== "open" && now - link.heard > PATIENCE_MS;
  const value = useMemo(
    () => freshnessOf(link, isLost, status, () => store.askNow()),
    [link, isLost, status, store],
  );
  useAskingAgain(value.state);
  return <FreshnessProvider value={value}>{children}</FreshnessProvider>;
}

/** Once what was silent answers, asks again for all that stands on the page: it is old, or an error.
 * But not for what is personal, of which each look is recorded. */
export function useAskingAgain(state: Freshness["state"]): void {
  const queries = useQueryClient();
  const before = useRef(state);
  useEffect(() => {
    if (before.current !== "live" && state === "live")
      void queries.invalidateQueries({ predicate: (query) => query.meta?.["isRecorded"] !== true });
    before.current = state;
  }, [state, queries]);
}

/** How old the data are, by what the stream and the server say. */
export function freshnessOf(
  link: Link,
  isLost: boolean,
  status: ModelStatus | undefined,
  askNow: () => void,
): Freshness {
  if (isLost)
    return {
      state: "stale",
      since: link.heard,
      nextTry: link.nextTry,
      reason: "The console’s server has not answered",
      askNow,
    };
  if (status?.is_stale)
    return {
      state: "stale",
      since: status.current ?? status.answered ?? link.heard,
      reason: "Kafka has not answered",
      askNow,
    };
  return { state: "live", since: status?.current ?? link.heard, askNow };
}

function NeedsOf({ children }: { children: ReactNode }) {
  const status = useModelStatus();
  const items = useLive<AttentionItem>("attention");
  const needs = useMemo(
    () => ({
      deadLetters: status?.open_letters,
      incidents: status?.incidents,
      troubles: [...(items?.values() ?? [])]
        .sort((one, other) => one.place - other.place)
        .map(troubleOf),
    }),
    [status, items],
  );
  return <NeedsContext value={needs}>{children}</NeedsContext>;
}
