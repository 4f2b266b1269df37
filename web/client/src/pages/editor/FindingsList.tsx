/** What did the linter find? */

import { sentence } from "@/ui/PageStates";
import { State } from "@/ui/State";
import type { Finding } from "./findingNotes";

/** All findings; a click goes to the place. */
export function FindingsList({
  findings,
  onOpen,
}: {
  findings: readonly Finding[];
  onOpen(finding: Finding): void;
}) {
  return (
    <section className="sect" id="findings" aria-label="Findings">
      <div className="sect-head">
        <h2>Findings</h2>
        <p className="note">
          <kbd>F8</kbd> goes to the next
        </p>
      </div>
      <ol className="findings">
        {findings.map((finding) => (
          <li key={`${finding.line} ${finding.column} ${finding.message}`}>
            <button type="button" onClick={() => onOpen(finding)}>
              <span className="mono faint">
                {finding.line}:{finding.column}
              </span>
              <State of={finding.severity === "warning" ? "warned" : "failed"}>
                {finding.message}
              </State>
              <span className="small soft">{sentence(finding.remedy)}</span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}
