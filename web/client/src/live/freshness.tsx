/** How old is what the page shows? */

import { createContext, type ReactNode, useContext } from "react";

/** `stale`: Kafka or the console does not answer; `error`: something cannot be brought up to date. */
export interface Freshness {
  state: "live" | "stale" | "error";
  /** Milliseconds of the epoch: the last time that everything was current. */
  since: number;
  /** When it is asked again; undefined while live. */
  nextTry?: number | undefined;
  /** What does not answer: `Kafka has not answered`; undefined while live. */
  reason?: string | undefined;
  askNow(): void;
}

const FreshnessContext = createContext<Freshness>({
  state: "live",
  since: 0,
  askNow: () => {},
});

/** The state of the live data. */
export function useFreshness(): Freshness {
  return useContext(FreshnessContext);
}

/** Gives the state of the live data to the page. */
export function FreshnessProvider({ value, children }: { value: Freshness; children: ReactNode }) {
  return <FreshnessContext value={value}>{children}</FreshnessContext>;
}
