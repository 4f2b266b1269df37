/** What should a person know of a run that its picture does not say? */

import { SafeText } from "@/ui/JsonView";
import type { RunBalance } from "./model";

/** Codes that the picture, the facts or the head say already. */
const SAID = new Set([
  "run_late",
  "edge_parked",
  "edge_dead",
  "edge_not_begun",
  "edge_oversettled",
  "edge_unsettled",
  "edge_differs",
  "run_amended",
]);

export function RunProblems({ run }: { run: RunBalance }) {
  const left = run.problems.filter((problem) => !SAID.has(problem.code));
  if (left.length === 0) return null;
  return (
    <ul className="run-problems">
      {left.map((problem) => (
        <li key={problem.text}>
          <SafeText text={problem.text} />
        </li>
      ))}
    </ul>
  );
}
