/** Which versions were there, and what did each change? */

import type { components } from "@/api/schema";
import { Moment } from "@/ui/Moment";
import { State } from "@/ui/State";
import { summary } from "./planWords";

export type VersionEntry = components["schemas"]["HistoryEntry"];

/** The number in `order-lines@7`. */
export function numberOf(version: string): number {
  return Number(version.split("@").at(-1));
}

/** The versions, newest first. */
export function VersionHistory({ versions }: { versions: readonly VersionEntry[] }) {
  return (
    <table className="mini hist" aria-label="Versions, newest first">
      <tbody>
        {versions.map((entry, index) => (
          <tr key={entry.version}>
            <td>
              <b>@{numberOf(entry.version)}</b>
            </td>
            <td>
              <Moment at={entry.published} />
            </td>
            <td>{entry.published_by}</td>
            <td title={summary(entry.changes, 40)}>
              {entry.rollback_of ? `a rollback to @${entry.rollback_of}` : summary(entry.changes)}
            </td>
            <td>
              {index === 0 ? (
                <State of="in-force" />
              ) : entry.retired ? (
                <span className="faint">retired</span>
              ) : (
                <State of="draining" />
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
