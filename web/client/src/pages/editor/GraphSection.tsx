/** The graph of the draft beside what is in force, and the edits that begin in it. */

import { useMemo, useState } from "react";
import { Empty } from "@/ui/PageStates";
import { Segments } from "@/ui/Segments";
import { DifferenceGraph, type Part } from "./DifferenceGraph";
import type { Asked } from "./EditDialog";
import type { Graph } from "./graphDifference";
import type { Plan } from "./planWords";
import { numberOf } from "./VersionHistory";

type View = "difference" | "draft" | "before";

/** The picture with its views, and what can be done with the part that is chosen. */
export function GraphSection({
  before,
  draft,
  plan,
  inForce,
  canEdit,
  onAsk,
  onGoTo,
}: {
  before: Graph | undefined;
  draft: Graph | undefined;
  plan: Plan | undefined;
  /** `pipeline@number`; undefined before the first. */
  inForce: string | undefined;
  canEdit: boolean;
  onAsk(asked: Asked): void;
  onGoTo(line: number): void;
}) {
  const [view, setView] = useState<View>("difference");
  const [part, setPart] = useState<Part>();
  const drains = useMemo(
    () =>
      new Map(
        (plan?.changes ?? [])
          .filter((change) => change.what === "stage" && change.drains)
          .map((change) => [change.name, change.drains ?? ""]),
      ),
    [plan],
  );
  const shown = view === "before" ? before : draft;
  const noVersion = before ? undefined : "No version is in force yet";
  const selected = part && shown && exists(part, shown) ? part : undefined;
  return (
    <section className="sect" id="diff" aria-label="Graph">
      <div className="sect-head">
        <h2>Graph</h2>
        <p className="note">
          {view === "difference" && inForce
            ? `the draft beside ${inForce}`
            : view === "before"
              ? inForce
              : "the draft"}
        </p>
        <Segments<View>
          label="Graph"
          className="tight right"
          value={view}
          onChange={setView}
          segments={[
            { value: "difference", label: "Difference", refusal: noVersion },
            { value: "draft", label: "Draft" },
            {
              value: "before",
              label: inForce ? `@${numberOf(inForce)}` : "in force",
              refusal: noVersion,
            },
          ]}
        />
      </div>
      {shown ? (
        <>
          <DifferenceGraph
            before={view === "difference" ? before : undefined}
            draft={shown}
            drains={drains}
            selected={selected}
            onSelect={setPart}
          />
          {selected && view !== "before" && (
            <Deeds
              part={selected}
              graph={shown}
              canEdit={canEdit}
              onAsk={onAsk}
              onGoTo={onGoTo}
              onClose={() => setPart(undefined)}
            />
          )}
        </>
      ) : (
        <Empty title="No graph">Too little of the text can be read.</Empty>
      )}
    </section>
  );
}

function Deeds({
  part,
  graph,
  canEdit,
  onAsk,
  onGoTo,
  onClose,
}: {
  part: Part;
  graph: Graph;
  canEdit: boolean;
  onAsk(asked: Asked): void;
  onGoTo(line: number): void;
  onClose(): void;
}) {
  const stage = graph.stages.find(
    ({ name }) => name === (part.kind === "stage" ? part.name : part.to),
  );
  if (!stage) return null;
  const emitted = stage.emits[0];
  return (
    <p className="deeds">
      <b className="mono">{part.kind === "stage" ? part.name : `${part.event} → ${part.to}`}</b>
      {stage.line !== null && stage.line !== undefined && (
        <button type="button" className="btn plain" onClick={() => onGoTo(stage.line ?? 1)}>
          Line {stage.line}
        </button>
      )}
      {canEdit && part.kind === "edge" && (
        <>
          <button
            type="button"
            className="btn"
            onClick={() => onAsk({ kind: "insert", event: part.event, reader: part.to })}
          >
            Insert a stage here…
          </button>
          <button
            type="button"
            className="btn"
            onClick={() => onAsk({ kind: "rewire", stage: part.to, event: part.event })}
          >
            Rewire…
          </button>
        </>
      )}
      {canEdit && part.kind === "stage" && (
        <>
          {emitted !== undefined && (
            <button
              type="button"
              className="btn"
              onClick={() => onAsk({ kind: "insert", event: emitted, reader: undefined })}
            >
              Add a reader…
            </button>
          )}
          <button
            type="button"
            className="btn"
            onClick={() => onAsk({ kind: "rewire", stage: part.name, event: undefined })}
          >
            Rewire…
          </button>
          <button
            type="button"
            className="btn danger"
            onClick={() => onAsk({ kind: "remove", stage: part.name })}
          >
            Remove…
          </button>
        </>
      )}
      <button type="button" className="btn plain" onClick={onClose}>
        Close
      </button>
    </p>
  );
}

function exists(part: Part, graph: Graph): boolean {
  const stage = graph.stages.find(
    ({ name }) => name === (part.kind === "stage" ? part.name : part.to),
  );
  return stage !== undefined && (part.kind === "stage" || stage.subscribes.includes(part.event));
}
