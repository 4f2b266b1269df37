/** What would change? */

import { sentence } from "@/ui/PageStates";
import { State } from "@/ui/State";
import { type Change, rewiring, shownSign } from "./planWords";

const LOOKS = { "+": "add", "~": "chg", "-": "del" } as const;

/** The changes of a plan, the dangerous ones marked. */
export function PlanTable({ changes }: { changes: readonly Change[] }) {
  return (
    <table className="plan" aria-label="Changes">
      <tbody>
        {changes.map((change) => (
          <tr
            key={`${change.sign} ${change.what} ${change.name} ${change.said}`}
            className={change.danger ? `${LOOKS[change.sign]} danger` : LOOKS[change.sign]}
          >
            <th scope="row">{shownSign(change.sign)}</th>
            <td>{change.what}</td>
            <td>
              <b>{change.name}</b>
            </td>
            <td>
              <Said change={change} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Said({ change }: { change: Change }) {
  const wires = rewiring(change);
  const words = wires ? (
    <>
      {wires.key} <s>{wires.was.join(", ") || "nothing"}</s> → {wires.now.join(", ") || "nothing"}
    </>
  ) : (
    change.said
  );
  if (change.danger)
    return (
      <>
        <State of="warned" tone="dead">
          dangerous: {change.danger}
        </State>
        <small>
          {typeof words === "string" ? sentence(words) : words}
          {change.drains && `: ${change.drains}`}
        </small>
      </>
    );
  return (
    <>
      {words}
      {change.drains && <small>{change.drains}</small>}
    </>
  );
}
