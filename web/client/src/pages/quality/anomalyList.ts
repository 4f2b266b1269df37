/** Which runs were told as unusual by one number, and which numbers could be ignored with it? */

import { isSilence, numberName } from "./measured";
import type { Anomaly } from "./queries";

type Number_ = Pick<Anomaly, "edge" | "column" | "statistic">;

/** The runs in which this very number was told, by itself or with others. */
export function flaggedRuns(number: Number_, anomalies: readonly Anomaly[]): ReadonlySet<string> {
  const runs = new Set<string>();
  for (const one of anomalies)
    if (one.run && [one, ...(one.others ?? [])].some((other) => isSame(other, number)))
      runs.add(one.run);
  return runs;
}

function isSame(one: Number_, other: Number_): boolean {
  return (
    one.edge === other.edge && one.column === other.column && one.statistic === other.statistic
  );
}

export interface IgnoreChoice {
  label: string;
  numbers: Number_;
}

/** From this number alone to all about its event type; one about the run as a whole stands alone,
 * and that a feed does not come is ignored with its event type. */
export function ignoreChoices(anomaly: Anomaly): IgnoreChoice[] {
  const { edge, column, statistic } = anomaly;
  const event = edge.split(">")[0] ?? edge;
  const all = { edge: event, column: "", statistic: "" };
  if (isSilence(anomaly)) return [{ label: `all of ${event}`, numbers: all }];
  const choices = [{ label: numberName(anomaly), numbers: { edge, column, statistic } }];
  if (column && edge)
    choices.push({ label: `all of ${edge} ${column}`, numbers: { edge, column, statistic: "" } });
  if (event) choices.push({ label: `all of ${event}`, numbers: all });
  return choices;
}

/** The anomaly of the address, else the newest that is open; undefined if all are over. */
export function chosenAnomaly(
  anomalies: readonly Anomaly[],
  asked: string | undefined,
): Anomaly | undefined {
  return (
    anomalies.find((one) => asked !== undefined && one.id.startsWith(asked)) ??
    anomalies.find((one) => one.state === "open")
  );
}
