/** An event for tests. */

import type { EventResult } from "./eventQuery";

export function madeEvent(more: Partial<EventResult> = {}): EventResult {
  return {
    pipeline: "lines",
    event_type: "line.read",
    topic: "lines.line.read",
    partition: 3,
    offset: 17,
    id: "asked/0/40/3",
    run: "k7mq2vtd4x3aa",
    stage: "plan",
    version: 7,
    readers: ["check"],
    at: 1_764_426_580_000,
    headers: [
      { name: "ce_id", value: "asked/0/40/3", cut: false },
      { name: "ce_type", value: "line.read", cut: false },
      { name: "ce_runid", value: "k7mq2vtd4x3aa", cut: false },
      { name: "ce_topologyversion", value: "lines@7", cut: false },
    ],
    key: "h1",
    key_masked: false,
    data: {
      kind: "json",
      text: '{\n  "basket": 9007199254740993\n}',
      size: 28,
      cut: false,
      masked: false,
    },
    schema_title: "Line",
    unreadable: null,
    ...more,
  };
}
