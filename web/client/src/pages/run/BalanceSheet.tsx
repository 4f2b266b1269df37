/** What does the picture say, as a table with one equation? */

import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { Count, Rate } from "@/ui/figures";
import { formatDuration } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { State } from "@/ui/State";
import { formatEach } from "./balance/BalancePicture";
import { type EdgeBalance, type Part, partOf, type RunBalance } from "./model";
import { sheetAsCsv } from "./sheetCsv";

const SETTLED: readonly Part[] = [
  "handled",
  "bypassed",
  "dropped",
  "filtered",
  "dead",
  "cancelled",
];
const FLIGHT: readonly Part[] = ["parked", "buffered", "unread"];

/** The columns of a run: those that are always there, and the others where one is not 0. */
export function columnsOf(edges: readonly EdgeBalance[]): { settled: Part[]; flight: Part[] } {
  const rare: readonly Part[] = ["bypassed", "buffered"];
  const shown = (part: Part) =>
    !rare.includes(part) || edges.some((edge) => partOf(edge, part) !== 0);
  return { settled: SETTLED.filter(shown), flight: FLIGHT.filter(shown) };
}

export function BalanceSheet({ run }: { run: RunBalance }) {
  const { settled, flight } = columnsOf(run.edges);
  const leaves = run.leaves.filter(
    (leaf) => !run.edges.some((edge) => edge.event_type === leaf.event_type),
  );
  return (
    <section className="wide-only">
      <div className="sect-head sheet-head">
        <h2>Balance sheet</h2>
        <p className="note">emitted = settled + in flight, on every edge</p>
        <CopyCsv run={run} />
      </div>
      <div className="scroll-x">
        <table className="table sheet" aria-label="Balance sheet">
          <thead>
            <tr className="group">
              <th colSpan={4} />
              <th colSpan={settled.length}>settled</th>
              <th className="edge-col" colSpan={flight.length}>
                in flight
              </th>
              <th className="edge-col" />
              <th colSpan={4} />
            </tr>
            <tr>
              <th scope="col">Event</th>
              <th scope="col">Stage</th>
              <th scope="col" className="num">
                emitted
              </th>
              <th aria-label="equals" />
              {settled.map((part) => (
                <th key={part} scope="col" className="num">
                  {part}
                </th>
              ))}
              {flight.map((part, index) => (
                <th key={part} scope="col" className={index === 0 ? "edge-col num" : "num"}>
                  {part}
                </th>
              ))}
              <th scope="col" className="edge-col num">
                difference
              </th>
              <th scope="col">books</th>
              <th scope="col" className="num">
                oldest
              </th>
              <th scope="col" className="num">
                each
              </th>
              <th scope="col" className="num">
                per s
              </th>
            </tr>
          </thead>
          <tbody>
            {run.edges.map((edge) => (
              <SheetRow
                key={`${edge.event_type}>${edge.stage}@${edge.foreign}`}
                edge={edge}
                run={run}
                settled={settled}
                flight={flight}
              />
            ))}
            {leaves.map((leaf) => (
              <tr key={leaf.event_type}>
                <td className="soft">{leaf.event_type}</td>
                <td className="faint">nobody reads it</td>
                <td className="num strong">
                  <Count value={leaf.emitted} />
                </td>
                <td />
                <td colSpan={settled.length} />
                <td className="edge-col" colSpan={flight.length} />
                <td className="edge-col" />
                <td colSpan={4} />
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function SheetRow({
  edge,
  run,
  settled,
  flight,
}: {
  edge: EdgeBalance;
  run: RunBalance;
  settled: readonly Part[];
  flight: readonly Part[];
}) {
  return (
    <tr>
      <td className="soft">
        {edge.event_type}
        {edge.foreign && <span className="faint"> @ {edge.foreign}</span>}
      </td>
      <td className="medium">
        <Link
          to="/pipelines/$pipeline"
          params={{ pipeline: run.pipeline }}
          search={{ stage: edge.stage, run: run.run }}
        >
          {edge.stage}
        </Link>
      </td>
      <td className="num strong">
        <Count value={edge.emitted} />
      </td>
      <td className="eq">=</td>
      {settled.map((part) => (
        <td key={part} className="num">
          {part === "dead" && partOf(edge, part) > 0 ? (
            <Link
              to="/dead-letters"
              search={{ pipeline: run.pipeline, stage: edge.stage, run: run.run }}
            >
              <Count value={partOf(edge, part)} tone="dead" strong />
            </Link>
          ) : (
            <Count value={partOf(edge, part)} />
          )}
        </td>
      ))}
      {flight.map((part, index) => (
        <td key={part} className={index === 0 ? "edge-col num" : "num"}>
          <Count value={partOf(edge, part)} tone={part === "parked" ? "wait" : "flight"} strong />
        </td>
      ))}
      <td className="edge-col num">
        <Count value={edge.difference} tone="gap" strong />
      </td>
      <td>
        <Books edge={edge} run={run} />
      </td>
      <td className="num">
        {edge.oldest > 0 && (
          <span title={`${edge.oldest} s`}>{formatDuration(edge.oldest * 1000)}</span>
        )}
      </td>
      <td className="num soft">
        {edge.seconds_each !== null && (
          <span title={`${edge.seconds_each} s`}>{formatEach(edge.seconds_each)}</span>
        )}
      </td>
      <td className="num">
        <Rate perSecond={edge.rate} />
      </td>
    </tr>
  );
}

function Books({ edge, run }: { edge: EdgeBalance; run: RunBalance }) {
  if (edge.difference !== 0 || !edge.same_events)
    return <State of="gap">{edge.same_events ? "do not balance" : "not the same"}</State>;
  if (edge.in_flight > 0 || run.closed === null)
    return edge.in_flight > 0 ? <State of="open" /> : <State of="balanced" />;
  return edge.proven ? <State of="balanced" /> : <State of="settled" />;
}

function CopyCsv({ run }: { run: RunBalance }) {
  const [copied, setCopied] = useState(false);
  return (
    <button
      type="button"
      className="csv link small right"
      onClick={async () => {
        await navigator.clipboard?.writeText(sheetAsCsv(run));
        setCopied(true);
        setTimeout(() => setCopied(false), 1200);
      }}
    >
      {copied && <Icon name="handled" />}
      {copied ? "Copied" : "Copy as CSV"}
    </button>
  );
}
