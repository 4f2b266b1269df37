/** What needs somebody? One line of words, worst first. */

import { Link } from "@tanstack/react-router";
import { type Trouble, useNeeds } from "@/live/needs";
import { Age } from "@/ui/figures";
import { State, states } from "@/ui/State";

const SHOWN = 4;

/** The troubles of the installation, or those that the page gives; nothing if there are none. */
export function TroubleStrip({ troubles: given }: { troubles?: readonly Trouble[] }) {
  const needs = useNeeds();
  const troubles = (given ?? needs.troubles).slice(0, SHOWN);
  if (troubles.length === 0) return null;
  return (
    <div className="trouble" role="status" data-n={troubles.length}>
      {troubles.map((trouble, index) => {
        const { tone } = states[trouble.state];
        return (
          <Link key={trouble.key} to={trouble.to} {...(index < 2 ? { "data-wash": tone } : {})}>
            <time>{trouble.note ?? <Age since={trouble.since} />}</time>
            <State of={trouble.state}>
              <b>{trouble.name}</b> {trouble.words}
            </State>
            <p>{trouble.reason}</p>
          </Link>
        );
      })}
    </div>
  );
}
