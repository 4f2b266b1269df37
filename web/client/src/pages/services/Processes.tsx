/** Which processes are these? */

import { formatCount } from "@/ui/format";
import { SafeText } from "@/ui/JsonView";
import type { GroupProcess } from "./queries";

const NAMED = 2;

/** `2 at 10.0.0.4, 10.0.0.5`; each one, with its share, in the tooltip. */
export function Processes({ processes, of }: { processes: readonly GroupProcess[]; of: number }) {
  if (processes.length === 0) return <span className="faint">none</span>;
  const hosts = [...new Set(processes.map(({ host }) => host).filter(Boolean))];
  const more = hosts.length - NAMED;
  const each = processes
    .map(({ client, host, partitions }) => `${client} at ${host}: ${partitions} of ${of}`)
    .join("\n");
  return (
    <span title={each}>
      <span className="figure">{formatCount(processes.length)}</span>{" "}
      <span className="faint">
        at <SafeText text={hosts.slice(0, NAMED).join(", ")} />
        {more > 0 && ` and ${more} more`}
      </span>
    </span>
  );
}
