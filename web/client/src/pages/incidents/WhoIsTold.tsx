/** Who has been told, who is told next, and who could not be told? */

import { Until } from "@/ui/figures";
import { formatDuration } from "@/ui/format";
import { SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { State } from "@/ui/State";
import type { Incident } from "./incidentQueries";

interface Told {
  whom: string;
  by: string;
  after: string;
  at: string | null;
  state: React.ReactNode;
}

/** A row for each who was told, waits to be told, or is told next. */
export function WhoIsTold({ incident }: { incident: Incident }) {
  const rows = toldRows(incident);
  return (
    <section>
      <div className="sect-head">
        <h2>Who is told</h2>
        <p className="note">{routeWords(incident)}</p>
      </div>
      {rows.length === 0 ? (
        <p className="small soft">
          {incident.route === null ? (
            <>
              Nobody, since no route takes it. Routes stand in the file, under <code>alerts:</code>{" "}
              of {incident.pipeline}.
            </>
          ) : (
            "Nobody yet."
          )}
        </p>
      ) : (
        <table className="mini chain-table">
          <thead>
            <tr>
              <th scope="col">Whom</th>
              <th scope="col">By</th>
              <th scope="col" className="num">
                After
              </th>
              <th scope="col" className="num">
                At
              </th>
              <th scope="col">State</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row, index) => (
              <tr key={index}>
                <td className="medium">
                  <SafeText text={row.whom} />
                </td>
                <td className="soft">{row.by}</td>
                <td className="num soft">{row.after}</td>
                <td className="num">
                  <Moment at={row.at} />
                </td>
                <td>{row.state}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function routeWords(incident: Incident): string {
  if (incident.route === null) return "no route takes it";
  const which =
    incident.routes === 1 ? "the only route" : `route ${incident.route} of ${incident.routes}`;
  if (incident.kind !== "dead") return `${which}; once more when it is over`;
  const [first = 0] = incident.digests;
  return `${which}; while it grows after ${formatDuration(first * 1000)} and later`;
}

function toldRows(incident: Incident): Told[] {
  const opened = Date.parse(incident.opened);
  const after = (at: string) => {
    const ms = Date.parse(at) - opened;
    return ms < 15_000 ? "at once" : formatDuration(ms);
  };
  const told = incident.history
    .filter((moment) => moment.what === "told" && !moment.earlier)
    .flatMap((moment) =>
      moment.by.split(", ").map((whom) => ({
        whom,
        by: whom === "webhook" ? "webhook" : "mail",
        after: after(moment.at),
        at: moment.at,
        state: <State of="handled">accepted</State>,
      })),
    );
  const waiting = incident.notices
    .filter((notice) => notice.delivered === null)
    .flatMap((notice) =>
      notice.to.map((whom) => ({
        whom,
        by: whom === "webhook" ? "webhook" : "mail",
        after: after(notice.written),
        at: notice.due ?? notice.written,
        state: <Undelivered attempts={notice.attempts} why={Object.values(notice.failures)[0]} />,
      })),
    );
  const next = incident.resolved === null ? incident.next : null;
  const planned = (next?.to ?? []).map((whom) => ({
    whom,
    by: whom === "webhook" ? "webhook" : "mail",
    after: next ? after(next.at) : "",
    at: next?.at ?? null,
    state: (
      <span className="soft">
        in <Until at={next?.at ?? 0} />
        {next?.if_it_grows && ", if it grows"}
      </span>
    ),
  }));
  return [...told, ...waiting, ...planned];
}

function Undelivered({ attempts, why }: { attempts: number; why: string | undefined }) {
  return (
    <State of="late" title={why}>
      {attempts === 0 ? "waits" : `${attempts} tries`}
      {why && (
        <>
          {": "}
          <SafeText text={why} />
        </>
      )}
    </State>
  );
}
