import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { renderConsole } from "@/testing/renderConsole";
import { madeEvent } from "../event/madeEvent";
import { madeTrace, railRow } from "./madeTrace";
import { railCells } from "./rail";
import { withSiblings } from "./siblings";
import { timeAxis } from "./timeAxis";

test("a trace leads from the root to the leaves, and over a dead letter to its replay", async () => {
  renderConsole("/trace/line.read%2F0%2F18?pipeline=lines", {
    "/api/v1/events/trace": madeTrace(),
    "/api/v1/events/one": madeEvent(),
  });
  const table = await screen.findByRole("table", { name: "Causes and effects" });
  const rows = within(table).getAllByRole("row").slice(1);
  const words = rows.map((row) => row.textContent ?? "");
  expect(words[0]).toContain("asked/0/0");
  expect(words.find((text) => text.includes("paid for nothing"))).toContain("dead");
  expect(words.find((text) => text.includes("again by"))).toContain("ops1@desk");
  expect(within(table).getByRole("row", { current: true }).textContent).toContain("line.read/0/18");
});

test("every row but the first is joined to one before it", () => {
  const rows = madeTrace().rows;
  railCells(rows).forEach((cell, index) => {
    if (index === 0) return;
    const enters = cell.turns || cell.lines.some((line) => line.from === "top");
    expect(enters, `row ${index} ${rows[index]?.kind}`).toBe(true);
  });
});

test("the way from a dead letter to its replay is dotted", () => {
  const rows = madeTrace().rows;
  const dead = rows.findIndex((row) => row.kind === "dead");
  const dotted = railCells(rows)[dead]?.lines.find((line) => line.dotted);
  expect(dotted).toMatchObject({ level: 0, from: "top", to: "bottom" });
});

test("of two readers the first turns off and the last goes straight on", () => {
  const rows = [
    railRow({ kind: "event", position: "a/0/1" }),
    railRow({ kind: "stage", stage: "load", level: 1, turns_off: true, position: "a/0/1" }),
    railRow({ kind: "stage", stage: "flag", position: "a/0/1" }),
  ];
  const cells = railCells(rows);
  expect(cells[1]?.turns).toBe(true);
  expect(cells[1]?.lines).toContainEqual({ level: 0, from: "top", to: "bottom", dotted: false });
  expect(cells[2]?.lines).toEqual([{ level: 0, from: "top", to: "middle", dotted: false }]);
});

test("what a cause emitted beside the way is folded, with its count", () => {
  const rows = withSiblings(
    madeTrace().rows,
    new Map([
      [
        "asked/0/0",
        { counts: [{ stage: "plan", event_type: "line.read", events: 20 }], complete: true },
      ],
    ]),
  );
  expect(rows[1]?.emitted).toBe(20);
  expect(rows[2]).toMatchObject({ kind: "fold", events: 19, turns_off: true, level: 1 });
  expect(railCells(rows)[3]?.lines.some((line) => line.from === "top")).toBe(true);
});

test("a long pause is left out, and moments keep their order", () => {
  const moments = [0, 100, 200, 180_000, 180_100];
  const axis = timeAxis(moments, 148);
  expect(axis.breaks).toHaveLength(1);
  const places = moments.map(axis.xOf);
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(new Set(places).size).toBe(5);
  expect(Math.max(...places)).toBeLessThanOrEqual(148);
});

test("one moment has an axis too", () => {
  expect(timeAxis([5], 148).xOf(5)).toBe(4);
  expect(timeAxis([], 148).breaks).toEqual([]);
});
