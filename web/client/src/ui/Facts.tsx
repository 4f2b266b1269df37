/** What is known about one thing? */

import type { ReactNode } from "react";

export interface Fact {
  label: string;
  value: ReactNode;
  note?: ReactNode;
}

/** Labels above values, hairlines between. */
export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl className="facts">
      {facts.map(({ label, value, note }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            {value}
            {note && <small>{note}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
