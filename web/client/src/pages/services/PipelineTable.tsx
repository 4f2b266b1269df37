/** Which versions are in force, and what has a router said of the file? */

import { Link } from "@tanstack/react-router";
import { SafeText } from "@/ui/JsonView";
import { Moment, ZoneWord } from "@/ui/Moment";
import { State } from "@/ui/State";
import type { PipelineState } from "./queries";

/** One row a pipeline. */
export function PipelineTable({ pipelines }: { pipelines: readonly PipelineState[] }) {
  return (
    <table className="table fold" aria-label="Pipelines">
      <thead>
        <tr>
          <th>Version</th>
          <th>File</th>
          <th className="num">
            In force since, <ZoneWord />
          </th>
          <th>By</th>
          <th>Draining</th>
        </tr>
      </thead>
      <tbody>
        {pipelines.map((row) => (
          <tr key={row.pipeline}>
            <td className="medium">
              <Link className="link" to="/pipelines/$pipeline" params={{ pipeline: row.pipeline }}>
                {row.version}
              </Link>
            </td>
            <td>
              <FileWord row={row} />
            </td>
            <td className="num" data-k="since">
              <Moment at={row.published} />
            </td>
            <td className="soft" data-k="by">
              <SafeText text={row.published_by} />
            </td>
            <td className="soft" data-k="draining">
              {row.draining.length > 0 && <State of="draining">{row.draining.join(", ")}</State>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function FileWord({ row }: { row: PipelineState }) {
  const said = [...row.findings, ...row.waiting].join("\n");
  if (row.findings.length > 0)
    return (
      <State of="failed" title={said}>
        not fit, {row.findings.length} findings
      </State>
    );
  if (row.waiting.length > 0)
    return (
      <State of="waiting" title={said}>
        {row.waiting.length} dangerous changes wait
      </State>
    );
  return <span className="faint">as applied</span>;
}
