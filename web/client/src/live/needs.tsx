/** What needs somebody, on any page? */

import { createContext, useContext } from "react";
import type { StateName } from "@/ui/State";

/** One thing that needs somebody. */
export interface Trouble {
  key: string;
  state: StateName;
  /** The stage, schedule or run: it stands in bold before the state's words. */
  name: string;
  words: string;
  /** Why, in one line. */
  reason: string;
  /** Since when, in ms of the epoch; or words: `33/s`, `39 s left`. */
  since?: number | undefined;
  note?: string | undefined;
  /** Where to see more, an address below the base: `/pipelines/order-lines?stage=load`. */
  to: string;
}

export interface Needs {
  /** Open dead letters. */
  deadLetters: number | undefined;
  /** Incidents that nobody has acknowledged. */
  incidents: number | undefined;
  /** Worst first. */
  troubles: Trouble[];
}

export const NeedsContext = createContext<Needs>({
  deadLetters: undefined,
  incidents: undefined,
  troubles: [],
});

/** The counts of the navigation and the strip of what needs somebody. */
export function useNeeds(): Needs {
  return useContext(NeedsContext);
}
