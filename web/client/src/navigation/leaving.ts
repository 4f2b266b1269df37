/** Has somebody already gone to another page, which is not open yet? */

import { useRouterState } from "@tanstack/react-router";

/** True from a step to another page until it is open; a page that leads on elsewhere asks this first,
 * so that nobody is brought back. */
export function useLeaving(): boolean {
  return useRouterState({
    select: ({ location, resolvedLocation }) =>
      resolvedLocation !== undefined && location.pathname !== resolvedLocation.pathname,
  });
}
