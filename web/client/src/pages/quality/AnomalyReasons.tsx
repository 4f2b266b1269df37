/** Why may a number be unusual, and which events are examples? */

import { Link } from "@tanstack/react-router";
import { counted, formatCount, formatShare } from "@/ui/format";
import { SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { RunId } from "@/ui/RunId";
import { deviationText, measuredText, numberName } from "./measured";
import type { AnomalyDetail } from "./queries";
import { SampleLinks } from "./SampleLinks";

const MOST = 5;

/** By how much, since which run, which values changed most, samples, and what happened meanwhile. */
export function AnomalyReasons({ pipeline, found }: { pipeline: string; found: AnomalyDetail }) {
  return (
    <>
      <dl className="lines">
        <div>
          <dt>By how much</dt>
          <dd>{deviationText(found)}</dd>
        </div>
        {found.usual && (
          <div>
            <dt>Last usual</dt>
            <dd>
              {found.usual.run ? <RunId id={found.usual.run} accent /> : "the window before"}, ended{" "}
              <Moment at={found.usual.at} />
            </dd>
          </div>
        )}
        {(found.samples ?? []).length > 0 && (
          <div>
            <dt>Samples</dt>
            <dd>
              <SampleLinks pipeline={pipeline} ids={found.samples ?? []} />
            </dd>
          </div>
        )}
      </dl>
      <With found={found} />
      <Changed found={found} />
      <Broken found={found} />
      <Meanwhile found={found} />
    </>
  );
}

function With({ found }: { found: AnomalyDetail }) {
  const others = found.others ?? [];
  if (others.length === 0) return null;
  return (
    <>
      <h3>With it</h3>
      <ul className="same-time">
        {others.slice(0, MOST).map((one) => (
          <li key={numberName(one)}>
            <SafeText text={numberName(one)} /> {measuredText(one.kind, one.value)}
            <span className="faint">
              expected {measuredText(one.kind, one.low)} to {measuredText(one.kind, one.high)}
            </span>
          </li>
        ))}
        <More count={others.length - MOST + (found.more ?? 0)} shown={others.length} />
      </ul>
    </>
  );
}

function More({ count, shown }: { count: number; shown: number }) {
  const more = shown < MOST ? count + MOST - shown : count;
  return more > 0 ? <li className="faint">{formatCount(more)} more</li> : null;
}

function Changed({ found }: { found: AnomalyDetail }) {
  const changed = found.changed ?? [];
  if (changed.length === 0) return null;
  return (
    <>
      <h3>Which values changed most</h3>
      <div className="scroll-x">
        <table className="mini">
          <thead>
            <tr>
              <th scope="col">Value</th>
              <th scope="col" className="num">
                Usually
              </th>
              <th scope="col" className="num">
                Here
              </th>
              <th scope="col" className="num">
                Of rows
              </th>
            </tr>
          </thead>
          <tbody>
            {changed.slice(0, MOST).map((one) => (
              <tr key={`${one.column}/${one.value}`}>
                <td className="quality-value">
                  {one.column} <code>{<SafeText text={one.value} />}</code>
                </td>
                <td className="num">{formatShare(one.usual, 1)}</td>
                <td className="num">
                  <b>{formatShare(one.share, 1)}</b>
                </td>
                <td className="num soft">{formatCount(one.rows)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Broken({ found }: { found: AnomalyDetail }) {
  const broken = Object.entries(found.broken ?? {});
  if (broken.length === 0) return null;
  return (
    <>
      <h3>Which values break the check</h3>
      <ul className="same-time">
        {broken.slice(0, MOST).map(([value, count]) => (
          <li key={value}>
            <code>
              <SafeText text={value} />
            </code>
            <span className="faint">{counted(count, "row")}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function Meanwhile({ found }: { found: AnomalyDetail }) {
  const happened = found.meanwhile ?? [];
  if (happened.length + found.incidents.length === 0) return null;
  return (
    <>
      <h3>At the same time</h3>
      <ul className="same-time">
        {happened.map((one) => (
          <li key={`${one.at}${one.text}`}>
            <Moment at={one.at} /> <SafeText text={one.text} />
          </li>
        ))}
        {found.incidents.map((one) => (
          <li key={one.id}>
            <Moment at={one.at} />
            <Link className="link" to="/incidents" search={{ id: one.id }}>
              incident {one.id}
            </Link>
            <SafeText text={one.text} />
          </li>
        ))}
      </ul>
    </>
  );
}
