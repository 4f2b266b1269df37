/** What do all pages share, from the outside in? */

import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { KeysProvider } from "./keyboard/keys";
import { LiveProvider } from "./live/LiveProvider";
import { ClockProvider } from "./preferences/clock";
import { PreferencesProvider } from "./preferences/preferences";
import type { createConsoleRouter } from "./routes";

interface ConsoleProps {
  router: ReturnType<typeof createConsoleRouter>;
  queries: QueryClient;
}

/** The whole console. */
export function Console({ router, queries }: ConsoleProps) {
  return (
    <QueryClientProvider client={queries}>
      <PreferencesProvider>
        <ClockProvider>
          <LiveProvider>
            <KeysProvider>
              <RouterProvider router={router} />
            </KeysProvider>
          </LiveProvider>
        </ClockProvider>
      </PreferencesProvider>
    </QueryClientProvider>
  );
}
