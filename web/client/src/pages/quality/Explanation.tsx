/** Why is a number about a run unusual, as far as it is known? */

import { Link } from "@tanstack/react-router";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { AnomalyDeeds } from "./AnomalyDeeds";
import { AnomalyReasons } from "./AnomalyReasons";
import { flaggedRuns } from "./anomalyList";
import { BandChart } from "./BandChart";
import { numberName } from "./measured";
import { type Anomaly, useAnomaly } from "./queries";

/** The number in the last runs beside the reasons, and the buttons. */
export function Explanation({
  pipeline,
  anomaly,
  all,
}: {
  pipeline: string;
  anomaly: Anomaly;
  all: readonly Anomaly[];
}) {
  const query = useAnomaly(pipeline, anomaly.id);
  const found = query.data;
  if (!found)
    return query.error ? (
      <ErrorNote error={query.error} what="The explanation" onRetry={() => void query.refetch()} />
    ) : (
      <Loading rows={5} label="Explanation" />
    );
  return (
    <div className="explain">
      {found.points.length > 0 && (
        <figure>
          <figcaption className="label">
            {numberName(found)} in the last {found.points.length} runs; grey: what was expected
          </figcaption>
          <div className="draw">
            <BandChart anomaly={found} flagged={flaggedRuns(found, all)} />
          </div>
        </figure>
      )}
      <div className="reasons">
        <AnomalyReasons pipeline={pipeline} found={found} />
        {found.incident && (
          <p className="small soft quality-incident">
            Told by{" "}
            <Link className="link" to="/incidents" search={{ id: found.incident }}>
              incident {found.incident}
            </Link>
          </p>
        )}
        <AnomalyDeeds pipeline={pipeline} anomaly={found} />
      </div>
    </div>
  );
}
