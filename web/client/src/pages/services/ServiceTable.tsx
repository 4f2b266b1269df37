/** Which services run, where, and how far behind? */

import { Count } from "@/ui/figures";
import { State } from "@/ui/State";
import { Processes } from "./Processes";
import type { Service } from "./queries";

const jobs: Record<string, string> = {
  bookkeeper: "folds the ledger into runs, and says what is late",
  scheduler: "fires schedules",
  notifier: "writes mails and webhooks about failures",
  monitor: "measures rates, ages and handling times",
};

const readings: Record<string, string> = {
  bookkeeper: "of the ledger",
  scheduler: "of control documents",
  notifier: "of alerts and dead letters",
  monitor: "of the ledger",
};

/** One row a service. Work that goes well has no colour. */
export function ServiceTable({ services }: { services: readonly Service[] }) {
  return (
    <table className="table fold" aria-label="Services">
      <thead>
        <tr>
          <th>Service</th>
          <th>State</th>
          <th>What it does</th>
          <th>Processes</th>
          <th className="num">Not read yet</th>
          <th>Starts with</th>
        </tr>
      </thead>
      <tbody>
        {services.map((service) => (
          <tr key={service.name}>
            <td className="medium">{service.name}</td>
            <td>
              <Health service={service} />
            </td>
            <td className="soft" data-k="it">
              {jobs[service.name]}
            </td>
            <td data-k="processes">
              <Processes processes={service.processes} of={service.partitions} />
            </td>
            <td className="num" data-k="not read" title={readings[service.name]}>
              <Count
                value={service.behind}
                strong={service.health === "missing"}
                {...(service.health === "missing" && service.behind > 1 ? { tone: "late" } : {})}
              />
            </td>
            <td className="soft" data-k="start">
              <code>farandole {service.command}</code>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Health({ service }: { service: Service }) {
  if (service.health === "missing") return <State of="unworked">does not run</State>;
  if (service.health === "unneeded")
    return (
      <State of="retired" title="nothing waits for it">
        not needed
      </State>
    );
  const standing = service.processes.filter(({ partitions }) => partitions === 0).length;
  return (
    <span className="soft">
      at work
      {standing > 0 && <span className="faint">, {standing} stand by</span>}
    </span>
  );
}
