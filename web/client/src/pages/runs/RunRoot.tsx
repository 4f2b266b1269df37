/** What has opened a run? */

import { cutMiddle } from "@/ui/format";
import { SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import type { ListedRun } from "./useRuns";

/** The type of its root, and the firing that published it. */
export function RunRoot({ run }: { run: ListedRun }) {
  return (
    <>
      {run.root && (
        <code>
          <SafeText text={run.root} />
        </code>
      )}
      {run.again && (
        <span className="faint" title={run.again}>
          {" "}
          repeats <span className="id">{cutMiddle(run.again)}</span>
        </span>
      )}
      {run.schedule && (
        <span className="faint">
          {" "}
          by <SafeText text={run.schedule} />
          {run.planned && (
            <>
              {" "}
              for <Moment at={run.planned} />
            </>
          )}
        </span>
      )}
    </>
  );
}
