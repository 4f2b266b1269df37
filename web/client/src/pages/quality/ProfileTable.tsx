/** What do the columns of a feed look like? */

import { Count, Share } from "@/ui/figures";
import { formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { SafeText } from "@/ui/JsonView";
import { Histogram } from "./Histogram";
import { figure } from "./measured";
import type { Column } from "./queries";

export function ProfileTable({ columns }: { columns: readonly Column[] }) {
  return (
    <div className="scroll-x">
      <table className="table quality-profile">
        <thead>
          <tr>
            <th scope="col">Column</th>
            <th scope="col">Kind</th>
            <th scope="col">Values</th>
            <th scope="col" className="num">
              Nulls
            </th>
            <th scope="col" className="num">
              Missing
            </th>
            <th scope="col" className="num">
              Distinct
            </th>
            <th scope="col" className="num">
              Min
            </th>
            <th scope="col" className="num">
              Median
            </th>
            <th scope="col" className="num">
              p95
            </th>
            <th scope="col" className="num">
              Max
            </th>
          </tr>
        </thead>
        <tbody>
          {columns.map((column) => (
            <Row key={column.name} column={column} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ column }: { column: Column }) {
  const rows = column.values + column.nulls + column.missing;
  const kinds = Object.keys(column.kinds).sort().join(", ");
  return (
    <tr>
      <td className="medium">
        <code>
          <SafeText text={column.name} />
        </code>
      </td>
      <td className="faint">{column.personal ? `${kinds}, personal` : kinds}</td>
      <td>
        <Values column={column} />
      </td>
      <td className="num">
        <Absent count={column.nulls} rows={rows} />
      </td>
      <td className="num">
        <Absent count={column.missing} rows={rows} />
      </td>
      <td className="num">
        {column.distinct_is_exact ? "" : "~"}
        <Count value={column.distinct} />
      </td>
      <td className="num">{least(column)}</td>
      <td className="num">{figure(column.quantiles["0.5"])}</td>
      <td className="num">{figure(column.quantiles["0.95"])}</td>
      <td className="num">{greatest(column)}</td>
    </tr>
  );
}

function Absent({ count, rows }: { count: number; rows: number }) {
  return count ? <Share part={count} whole={rows} /> : <span className="zero">0</span>;
}

/** A histogram of numbers, the most frequent values of the rest. */
function Values({ column }: { column: Column }) {
  if (column.personal)
    return (
      <span className="small faint">
        <Icon name="lock" /> values are not kept
      </span>
    );
  if (column.histogram) return <Histogram bars={column.histogram} />;
  const top = column.top.slice(0, 3);
  if (!top.length) return null;
  return (
    <span className="small soft">
      {top.map(({ value, count }, at) => (
        <span key={String(value)}>
          {at > 0 && ", "}
          <SafeText text={String(value).slice(0, 24)} />{" "}
          <span className="faint">{formatCount(count)}</span>
        </span>
      ))}
    </span>
  );
}

function least(column: Column): string {
  return column.shortest === null ? figure(column.minimum) : `${column.shortest} char`;
}

function greatest(column: Column): string {
  return column.longest === null ? figure(column.maximum) : `${column.longest} char`;
}
