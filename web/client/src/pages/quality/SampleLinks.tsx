/** Which events are examples? */

import { Link } from "@tanstack/react-router";
import { SafeText } from "@/ui/JsonView";

const MOST = 5;

/** Ids of events, each a link to its trace. */
export function SampleLinks({ pipeline, ids }: { pipeline: string; ids: readonly string[] }) {
  return ids.slice(0, MOST).map((id, at) => (
    <span key={id}>
      {at > 0 && ", "}
      <Link className="id link" to="/trace/$id" params={{ id }} search={{ pipeline }}>
        <SafeText text={id} />
      </Link>
    </span>
  ));
}
