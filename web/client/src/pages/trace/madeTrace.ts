/** A trace for tests: a root, a line that died and was replayed, and its two readers. */

import type { RailResult, RailRow } from "./rail";

export function railRow(more: Partial<RailRow>): RailRow {
  return {
    kind: "event",
    level: 0,
    turns_off: false,
    event_type: null,
    position: null,
    stage: null,
    version: 7,
    at: null,
    emitted: null,
    emits: true,
    events: null,
    dead: null,
    why: null,
    attempts: null,
    by: null,
    letter: null,
    is_target: false,
    is_root: false,
    is_cause: false,
    ...more,
  };
}

const START = 1_764_426_580_000;

export function madeTrace(): RailResult {
  const event = (type: string, position: string, at: number, more: Partial<RailRow> = {}) =>
    railRow({ kind: "event", event_type: type, position, at: START + at, ...more });
  const stage = (name: string, position: string, at: number | null, more: Partial<RailRow> = {}) =>
    railRow({
      kind: "stage",
      stage: name,
      position,
      at: at === null ? null : START + at,
      emitted: 1,
      ...more,
    });
  return {
    pipeline: "lines",
    run: "k7mq2vtd4x3aa",
    causes: 1,
    effects: 1,
    dead: 1,
    settled_letters: 1,
    notes: [],
    rows: [
      event("asked", "asked/0/0", 0, { is_root: true }),
      stage("plan", "asked/0/0", 1_900, { emitted: null, is_cause: true }),
      event("line.read", "line.read/0/18", 1_900, { stage: "plan", is_target: true }),
      railRow({
        kind: "dead",
        level: 1,
        turns_off: true,
        stage: "check",
        position: "line.read/0/18",
        at: START + 2_100,
        why: "Reject: ••• paid for nothing",
        attempts: 1,
        letter: 1507,
      }),
      railRow({
        kind: "replay",
        stage: "check",
        position: "line.read/0/18",
        at: START + 211_000,
        by: "ops1@desk",
        emitted: 1,
        letter: 1507,
      }),
      event("line.checked", "line.checked/0/7", 211_100, { stage: "check" }),
      stage("load", "line.checked/0/7", null, {
        level: 1,
        turns_off: true,
        emitted: 0,
        emits: false,
      }),
      stage("flag", "line.checked/0/7", null, { emitted: 0 }),
    ],
  };
}
