import { expect, test } from "vitest";
import type { AttentionItem } from "@/live/views";
import { dataTroublesOf } from "./dataTroubles";

function item(event: string, more: Partial<AttentionItem>): AttentionItem {
  return {
    key: `${event}/${more.place}`,
    place: 0,
    what: "check failed",
    tone: "dead",
    pipeline: "shop",
    stage: "",
    run: "",
    schedule: "",
    why: "fair: 3 of 10",
    since: null,
    count: null,
    page: "quality",
    event,
    acknowledged_by: null,
    ...more,
  };
}

test("an event has the most urgent of what its data have", () => {
  const found = dataTroublesOf(
    [item("order.paid", { place: 5, what: "unusual" }), item("order.paid", { place: 2 })],
    "shop",
  );
  expect([...found].map(([event, trouble]) => [event, trouble.words])).toEqual([
    ["order.paid", "check failed"],
  ]);
});

test("what is of another pipeline, of no event, or no matter of data marks no edge", () => {
  const items = [
    item("order.paid", { pipeline: "bank" }),
    item("", {}),
    item("order.paid", { page: "graph", what: "late" }),
  ];
  expect(dataTroublesOf(items, "shop").size).toBe(0);
});
