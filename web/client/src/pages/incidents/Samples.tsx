/** Which events died first and last? */

import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { parseExact, stringifyExact } from "@/api/exactJson";
import { isObject, type Json } from "@/forms/jsonValue";
import { formatCount } from "@/ui/format";
import { JsonView, SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import type { Incident, Sample } from "./incidentQueries";

const MOST_FIELDS = 3;

/** A row for each, with the fields that differ; a click shows its data. */
export function Samples({ incident }: { incident: Incident }) {
  const [shown, setShown] = useState<string>();
  const { samples } = incident;
  if (samples.length === 0) return null;
  const data = samples.map((sample) => fieldsOf(sample));
  const names = tellingNames(data);
  const sample = samples.find((one) => one.letter === shown);
  return (
    <>
      <div className="sect-head gap-top">
        <h2>Samples</h2>
        <p className="note">
          {samples.length} of {formatCount(incident.count)} dead
        </p>
        <Link
          className="right link small"
          to="/dead-letters"
          search={{
            kind: incident.fingerprint === "others" ? "" : incident.fingerprint,
            of: `${incident.pipeline}/${incident.stage}`,
            stage: incident.stage,
            state: "all",
          }}
        >
          All letters
        </Link>
      </div>
      <table className="mini parked-table">
        <thead>
          <tr>
            <th scope="col">Letter</th>
            <th scope="col">Died</th>
            {names.map((name) => (
              <th key={name} scope="col" className="num">
                <SafeText text={name} />
              </th>
            ))}
            <th />
          </tr>
        </thead>
        <tbody>
          {samples.map((one, index) => (
            <tr key={one.letter}>
              <td>
                <Link
                  className="id link"
                  to="/dead-letters"
                  search={{ letter: `${incident.pipeline}/${one.letter}`, state: "all" }}
                  title={one.event}
                >
                  {one.letter}
                </Link>
              </td>
              <td className="soft">
                <Moment at={one.failed} />
              </td>
              {names.map((name) => (
                <td key={name} className="num">
                  <SafeText text={data[index]?.get(name) ?? ""} />
                </td>
              ))}
              <td className="num">
                <button
                  type="button"
                  className="link plain-link small"
                  aria-expanded={shown === one.letter}
                  onClick={() => setShown(shown === one.letter ? undefined : one.letter)}
                >
                  {shown === one.letter ? "Hide" : "Data"}
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {sample && (
        <div className="sample-data">
          <p className="small">
            <SafeText text={sample.message} />
          </p>
          <JsonView text={sample.data} label={`Data of ${sample.letter}`} />
        </div>
      )}
    </>
  );
}

function fieldsOf(sample: Sample): Map<string, string> {
  try {
    const value = parseExact(sample.data) as Json;
    if (!isObject(value)) return new Map();
    const flat = Object.entries(value).filter(
      ([, part]) => !isObject(part) && !Array.isArray(part),
    );
    return new Map(
      flat.map(([name, part]) => [name, typeof part === "string" ? part : stringifyExact(part)]),
    );
  } catch {
    return new Map(); // cut, or words in brackets
  }
}

/** The fields whose values differ, then others; in their order. */
function tellingNames(data: readonly Map<string, string>[]): string[] {
  const names = [...new Set(data.flatMap((fields) => [...fields.keys()]))];
  const differs = (name: string) => new Set(data.map((fields) => fields.get(name))).size > 1;
  const chosen = new Set(
    [...names.filter(differs), ...names.filter((name) => !differs(name))].slice(0, MOST_FIELDS),
  );
  return names.filter((name) => chosen.has(name));
}
