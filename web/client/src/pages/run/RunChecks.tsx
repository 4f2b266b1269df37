/** What have the checks of a run's data found, and which were not judged? */

import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { get } from "@/api/client";
import { ErrorNote, Loading } from "@/ui/PageStates";
import type { RunBalance } from "./model";

const CheckTable = lazy(async () => ({
  default: (await import("../quality/CheckTable")).CheckTable,
}));

/** A row for each check, with its reason; nothing for a run of which none is known. */
export function RunChecks({ run }: { run: RunBalance }) {
  const known = Object.values(run.checks).some((count) => count > 0);
  const checks = useQuery({
    queryKey: ["quality", "checks", "of-run", run.run, run.checks],
    queryFn: ({ signal }) =>
      get("/api/v1/quality/checks", { query: { pipeline: run.pipeline, run: run.run }, signal }),
    enabled: known,
    retry: false,
  });
  if (!known) return null;
  return (
    <section className="sect" aria-labelledby="run-checks">
      <div className="sect-head">
        <h2 id="run-checks">Checks of its data</h2>
      </div>
      {checks.error && (
        <ErrorNote
          error={checks.error}
          what="What the checks have found"
          onRetry={() => void checks.refetch()}
        />
      )}
      {checks.data ? (
        <Suspense fallback={<Loading rows={3} label="Checks" />}>
          <CheckTable pipeline={run.pipeline} checks={checks.data.checks} />
        </Suspense>
      ) : (
        checks.isPending && <Loading rows={3} label="Checks" />
      )}
    </section>
  );
}
