/** How does a feed stand, in one word? */

import { counted } from "@/ui/format";
import { State } from "@/ui/State";
import { newest, openAnomalies } from "./feeds";
import type { Anomaly, Feed } from "./queries";

/** Failed and warned checks of the newest run, then what is unusual; `passed` if there are checks and
 * none of those. */
export function FeedState({ feed, anomalies }: { feed: Feed; anomalies: readonly Anomaly[] }) {
  const verdicts = newest(feed)?.verdicts ?? {};
  const failed = verdicts["failed"] ?? 0;
  const warned = verdicts["warned"] ?? 0;
  if (failed) return <State of="failed">{failed} failed</State>;
  if (warned) return <State of="warned">{warned} warned</State>;
  const open = openAnomalies(feed, anomalies);
  if (open) return <State of="anomaly">{counted(open, "anomaly", "anomalies")}</State>;
  if (verdicts["passed"]) return <State of="passed" />;
  return null;
}
