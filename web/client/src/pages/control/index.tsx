/** What is switched, throttled and flagged, since when, by whom, until when, and what has it done? */

import "./control.css";
import { useEffect, useState } from "react";
import { PageHead } from "@/layout/PageHead";
import { TroubleStrip } from "@/layout/TroubleStrip";
import { useChosenPipeline, usePipelines } from "@/navigation/pipelines";
import { useFilters } from "@/navigation/search";
import { useNow } from "@/preferences/clock";
import { Banner } from "@/ui/Banner";
import { ChoiceMenu, Menu } from "@/ui/Menu";
import { Empty, ErrorNote, Loading } from "@/ui/PageStates";
import { Segments } from "@/ui/Segments";
import { WriteButton } from "@/ui/WriteButton";
import { CanarySection } from "./CanarySection";
import { FlagDialog } from "./FlagDialog";
import { ForceTable, hasReport } from "./ForceTable";
import { DrainDialog, RestartDialog } from "./PipelineDialogs";
import { type ControlRow, useControls } from "./queries";
import { ShadowSection } from "./ShadowSection";
import { SwitchDialog } from "./SwitchDialog";
import { ThrottleDialog } from "./ThrottleDialog";
import { ThrottleSection } from "./ThrottleSection";
import { controlTroubles } from "./troubles";

type Deed = "switch" | "throttle" | "flag" | "drain" | "restart";

/** How many sections are read at one time. */
const MOST_SECTIONS = 4;

export default function ControlPage() {
  const [search, change] = useFilters();
  const now = useNow();
  const pipelines = usePipelines();
  const pipeline = useChosenPipeline();
  const list = useControls(search["pipeline"]);
  const [deed, setDeed] = useState<Deed>();
  const rows = list.data?.rows ?? [];
  const ended = list.data?.ended ?? [];
  const over = search["show"] === "ended";
  const names = pipelines.data?.map((each) => each.pipeline) ?? [];
  const chosen = chosenRow(rows, search["control"], search["stage"]);
  const sections = sectionRows(rows, chosen);
  useScrollTo(search["control"] ?? search["stage"], chosen);
  const byFile = rows.filter((row) => row.by_file).length;
  const close = () => setDeed(undefined);
  return (
    <>
      <PageHead
        title="Control"
        actions={
          <>
            <Segments
              className="wide-only"
              label="Which"
              value={over ? "ended" : "force"}
              onChange={(value) => change({ show: value === "ended" ? "ended" : undefined })}
              segments={[
                {
                  value: "force",
                  label: (
                    <>
                      In force <span className="unit">{list.data && rows.length}</span>
                    </>
                  ),
                },
                {
                  value: "ended",
                  label: (
                    <>
                      Ended <span className="unit">{list.data && ended.length}</span>
                    </>
                  ),
                },
              ]}
            />
            {names.length > 1 && (
              <ChoiceMenu
                className="wide-only"
                label="Pipeline"
                value={search["pipeline"] ?? ""}
                onChange={(value) => change({ pipeline: value })}
                choices={[
                  { value: "", label: "Any pipeline" },
                  ...names.map((name) => ({ value: name, label: name })),
                ]}
              />
            )}
            <WriteButton onClick={() => setDeed("throttle")}>Throttle…</WriteButton>
            <WriteButton onClick={() => setDeed("flag")}>Flag…</WriteButton>
            <WriteButton onClick={() => setDeed("switch")}>Switch…</WriteButton>
            {pipeline && (
              <Menu
                label="More"
                items={[
                  {
                    label: `Drain ${pipeline}…`,
                    icon: "draining",
                    onSelect: () => setDeed("drain"),
                  },
                  {
                    label: "Restart processes…",
                    icon: "again",
                    onSelect: () => setDeed("restart"),
                  },
                ]}
              />
            )}
          </>
        }
      >
        {list.data && (
          <p className="small soft wide-only">
            <b className="strong">{rows.length}</b> in force
            {byFile > 0 && `, ${byFile} of them by topology.yaml`}
            <br />
            <span className="faint">every worker follows them at once</span>
          </p>
        )}
      </PageHead>
      {list.data?.unfit.map((each) => (
        <Banner
          key={each.generation}
          title={`A document of ${each.by || "somebody"} changes nothing`}
        >
          {each.why}
        </Banner>
      ))}
      {list.data?.unreadable.map((each) => (
        <Banner key={each.position} title={`${each.position} is no document and changes nothing`}>
          {each.why}
        </Banner>
      ))}
      <TroubleStrip troubles={controlTroubles(rows, now)} />
      {list.isPending && <Loading />}
      {list.isError && !list.data && (
        <ErrorNote error={list.error} what="What is in force" onRetry={() => void list.refetch()} />
      )}
      {list.data && (over ? ended : rows).length === 0 && (
        <Nothing over={over} onSwitch={() => setDeed("switch")} />
      )}
      {(over ? ended : rows).length > 0 && (
        <ForceTable
          rows={over ? ended : rows}
          over={over}
          several={names.length > 1}
          current={chosen?.id}
          onOpen={(row) => change({ control: row.id, stage: undefined })}
        />
      )}
      {!over && sections.length > 0 && (
        <div className="halves">
          {sections.map((row) =>
            row.mode === "canary" ? (
              <CanarySection key={row.id} row={row} />
            ) : row.mode === "shadow" ? (
              <ShadowSection key={row.id} row={row} />
            ) : (
              <ThrottleSection key={row.id} row={row} />
            ),
          )}
        </div>
      )}
      {pipeline !== undefined && (
        <>
          {deed === "switch" && <SwitchDialog pipeline={pipeline} onClose={close} />}
          {deed === "throttle" && <ThrottleDialog pipeline={pipeline} onClose={close} />}
          {deed === "flag" && <FlagDialog pipeline={pipeline} onClose={close} />}
          {deed === "drain" && <DrainDialog pipeline={pipeline} onClose={close} />}
          {deed === "restart" && <RestartDialog pipeline={pipeline} onClose={close} />}
        </>
      )}
    </>
  );
}

function Nothing({ over, onSwitch }: { over: boolean; onSwitch(): void }) {
  if (over)
    return (
      <Empty title="Nothing has ended of late">
        What has expired, or was ended by the bookkeeper, stands here until it is replaced. Who has
        ended what stands in the audit log.
      </Empty>
    );
  return (
    <Empty
      title="Everything simply works"
      commands={["farandole switch STAGE hold --for 1h"]}
      action={
        <WriteButton kind="primary" onClick={onSwitch}>
          Switch…
        </WriteButton>
      }
    >
      No stage is switched or throttled, and no flag is set.
    </Empty>
  );
}

/** The row that the address names: by its id, or by its stage. */
export function chosenRow(
  rows: readonly ControlRow[],
  id: string | undefined,
  stage: string | undefined,
): ControlRow | undefined {
  if (id !== undefined) return rows.find((row) => row.id === id);
  return stage === undefined ? undefined : rows.find((row) => row.target === stage);
}

/** The rows that have a section: the chosen one first. */
export function sectionRows(
  rows: readonly ControlRow[],
  chosen: ControlRow | undefined,
): ControlRow[] {
  const own = rows.filter(hasReport);
  const first = chosen && hasReport(chosen) ? [chosen] : [];
  return [...first, ...own.filter((row) => row.id !== chosen?.id)].slice(0, MOST_SECTIONS);
}

/** Brings the section of the chosen row into sight, once for each choice. */
function useScrollTo(key: string | undefined, row: ControlRow | undefined): void {
  const id = key !== undefined && row && hasReport(row) ? `${row.mode}-${row.target}` : undefined;
  useEffect(() => {
    if (id) document.getElementById(id)?.scrollIntoView?.({ block: "nearest" });
  }, [id]);
}
