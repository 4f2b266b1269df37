/** Who works the stages? */

import { Link } from "@tanstack/react-router";
import { State } from "@/ui/State";
import { Processes } from "./Processes";
import type { StageWorkers } from "./queries";

/** One row a stage: its processes, and how many of its lanes they have. */
export function StageTable({
  stages,
  several,
}: {
  stages: readonly StageWorkers[];
  several: boolean;
}) {
  return (
    <table className="table fold" aria-label="Workers of the stages">
      <thead>
        <tr>
          <th>Stage</th>
          <th>State</th>
          <th>Processes</th>
          <th className="num">Lanes</th>
        </tr>
      </thead>
      <tbody>
        {stages.map((row) => (
          <tr key={`${row.pipeline}/${row.stage}`}>
            <td className="medium">
              <Link
                className="link"
                to="/pipelines/$pipeline"
                params={{ pipeline: row.pipeline }}
                search={{ stage: row.stage }}
              >
                {several && <span className="faint">{row.pipeline}.</span>}
                {row.stage}
              </Link>
            </td>
            <td>
              <Work row={row} />
            </td>
            <td data-k="by">
              <Processes processes={row.processes} of={row.lanes} />
            </td>
            <td className="num" data-k="lanes">
              {row.assigned} <span className="faint">of {row.lanes}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Work({ row }: { row: StageWorkers }) {
  if (row.external) return <span className="soft">a program of yours</span>;
  if (row.processes.length === 0) return <State of="unworked" />;
  if (row.assigned < row.lanes)
    return (
      <State of="late">
        {row.lanes - row.assigned} of {row.lanes} lanes without a worker
      </State>
    );
  return <span className="soft">at work</span>;
}
