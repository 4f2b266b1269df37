/** What has each check found, and on which rows? */

import { useState } from "react";
import { Count, Share } from "@/ui/figures";
import { formatCount } from "@/ui/format";
import { SafeText } from "@/ui/JsonView";
import { State, type StateName } from "@/ui/State";
import type { Check } from "./queries";
import { ruleWords } from "./ruleWords";
import { SampleLinks } from "./SampleLinks";

export function CheckTable({ pipeline, checks }: { pipeline: string; checks: readonly Check[] }) {
  const broken = checks.find((check) => check.samples.length > 0);
  const [picked, pick] = useState<string>();
  const shown = checks.find((check) => check.name === picked) ?? broken;
  return (
    <>
      <div className="scroll-x">
        <table className="table fold checks">
          <thead>
            <tr>
              <th scope="col">Check</th>
              <th scope="col">Verdict</th>
              <th scope="col">Rule</th>
              <th scope="col">Severity</th>
              <th scope="col" className="num">
                Broken
              </th>
              <th scope="col" className="num">
                Share
              </th>
              <th scope="col">Reason</th>
            </tr>
          </thead>
          <tbody>
            {checks.map((check) => (
              <tr key={check.check} aria-current={check === shown ? true : undefined}>
                <td className="medium">
                  {check.samples.length > 0 ? (
                    <button
                      type="button"
                      className="link-plain link"
                      title="Show rows that break it"
                      onClick={() => pick(check.name)}
                    >
                      {check.name}
                    </button>
                  ) : (
                    check.name
                  )}
                </td>
                <td>
                  <VerdictState verdict={check.verdict} />
                </td>
                <td className="soft rule">{ruleWords(check)}</td>
                <td className="faint" data-k="severity">
                  {check.severity}
                </td>
                <td className="num" data-k="broken">
                  <Count value={check.failed} tone={check.failed ? "late" : undefined} strong />
                </td>
                <td className="num soft">
                  {check.failed && check.rows ? (
                    <Share part={check.failed} whole={check.rows} />
                  ) : null}
                </td>
                <td className="soft quality-why">
                  <SafeText text={check.why || check.description} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown && shown.samples.length > 0 && <Samples pipeline={pipeline} check={shown} />}
    </>
  );
}

function VerdictState({ verdict }: { verdict: string }) {
  if (verdict in KNOWN) return <State of={KNOWN[verdict as keyof typeof KNOWN]} />;
  return (
    <span className="state" data-tone="quiet">
      {verdict === "none" ? "no run yet" : verdict === "not judged" ? "not judged yet" : verdict}
    </span>
  );
}

const KNOWN = {
  passed: "passed",
  warned: "warned",
  failed: "failed",
  skipped: "skipped",
} satisfies Record<string, StateName>;

function Samples({ pipeline, check }: { pipeline: string; check: Check }) {
  const values = Object.entries(check.values);
  return (
    <div className="samples">
      <div className="sub-head tight">
        <h3>Rows that break {check.name}</h3>
        <span className="small faint">
          {formatCount(check.samples.length)} of {formatCount(check.failed ?? 0)}, chosen by hash;
          personal fields are masked
        </span>
      </div>
      {values.length > 0 && (
        <p className="small soft quality-values">
          Most often:{" "}
          {values.slice(0, 8).map(([value, count], at) => (
            <span key={value}>
              {at > 0 && ", "}
              <code>
                <SafeText text={value} />
              </code>{" "}
              {formatCount(count)}
            </span>
          ))}
        </p>
      )}
      <div className="scroll-x">
        <table className="mini sample-table">
          <thead>
            <tr>
              <th scope="col">Event</th>
              <th scope="col">Row</th>
            </tr>
          </thead>
          <tbody>
            {check.samples.map((sample) => (
              <tr key={sample.id}>
                <td>
                  <SampleLinks pipeline={pipeline} ids={[sample.id]} />
                </td>
                <td>
                  <code>
                    <SafeText text={sample.row} />
                  </code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
