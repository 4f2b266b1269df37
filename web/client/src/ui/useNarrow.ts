/** Is the window as narrow as a phone? */

import { useSyncExternalStore } from "react";

const QUERY = "(max-width: 640px)";

/** True below 640 px, where a table folds and the bottom bar stands. */
export function useNarrow(): boolean {
  return useSyncExternalStore(
    (changed) => {
      const list = globalThis.matchMedia?.(QUERY);
      list?.addEventListener("change", changed);
      return () => list?.removeEventListener("change", changed);
    },
    () => globalThis.matchMedia?.(QUERY).matches ?? false,
  );
}
