/** What stands where a page fails, or where there is none? */

import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import { Empty, ErrorNote } from "@/ui/PageStates";
import { PageHead } from "./PageHead";

/** A page that failed; the rest of the console goes on. */
export function PageFault({ error, reset }: ErrorComponentProps) {
  return (
    <>
      <PageHead title="This page" />
      <ErrorNote error={error} what="This page" onRetry={reset} />
    </>
  );
}

/** An address that no page has. */
export function NotFound() {
  return (
    <>
      <PageHead title="No such page" />
      <Empty
        title="No page has this address"
        action={
          <Link className="btn" to="/">
            To the graph
          </Link>
        }
      >
        It may have been cut when it was copied.
      </Empty>
    </>
  );
}
