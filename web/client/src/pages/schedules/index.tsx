/** What fires when, what did not and why, and one schedule with its history and a backfill. */

import "./schedules.css";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { PageHead } from "@/layout/PageHead";
import { TroubleStrip } from "@/layout/TroubleStrip";
import { useChosenPipeline } from "@/navigation/pipelines";
import { useFilters } from "@/navigation/search";
import { useNow } from "@/preferences/clock";
import { usePreferences } from "@/preferences/preferences";
import { Banner } from "@/ui/Banner";
import { Icon } from "@/ui/Icon";
import { Menu } from "@/ui/Menu";
import { Empty, ErrorNote, Loading } from "@/ui/PageStates";
import { Segments } from "@/ui/Segments";
import { WriteButton } from "@/ui/WriteButton";
import { useCalendar, useSchedules } from "./queries";
import { ScheduleDetail } from "./ScheduleDetail";
import { PauseDialog, ResumeDialog } from "./ScheduleDialogs";
import { ScheduleLegend } from "./ScheduleLegend";
import { keyOf, ScheduleTable } from "./ScheduleTable";
import { scheduleTroubles } from "./troubles";
import { type RangeName, rangeAround, rangeBeside } from "./week";

const RANGES: readonly { value: RangeName; label: string }[] = [
  { value: "day", label: "Day" },
  { value: "week", label: "Week" },
  { value: "month", label: "Month" },
];

export default function SchedulesPage() {
  const [search, change] = useFilters();
  const { zone } = usePreferences();
  const now = useNow();
  const name = RANGES.find(({ value }) => value === search["range"])?.value ?? "week";
  const at = Date.parse(search["at"] ?? "");
  const range = rangeAround(name, Number.isNaN(at) ? now : at, zone, now);
  const pipeline = search["of"];
  const editable = useChosenPipeline();
  const list = useSchedules(pipeline);
  const calendar = useCalendar(range.start, range.end, pipeline);
  const schedules = list.data?.schedules ?? [];
  const pipelines = [...new Set(schedules.map((each) => each.pipeline))];
  const chosen =
    schedules.find(
      (each) =>
        each.schedule === search["name"] &&
        (!search["pipeline"] || each.pipeline === search["pipeline"]),
    ) ??
    schedules.find((each) => each.overdue || each.late) ??
    schedules[0];
  const move = (step: -1 | 1) => {
    const { start } = rangeBeside(range, step, zone, now);
    change({ at: new Date(start + 43_200_000).toISOString().slice(0, 10) });
  };
  return (
    <>
      <PageHead
        title="Schedules"
        actions={
          <>
            <Segments
              className="wide-only"
              label="Range"
              value={name}
              onChange={(value) => change({ range: value })}
              segments={RANGES}
            />
            <RangeButton label={`${word(name)} before`} icon="left" onClick={() => move(-1)} />
            <button
              type="button"
              className="btn plain medium wide-only range-title"
              title={`To this ${name}`}
              onClick={() => change({ at: undefined })}
            >
              {range.title}
            </button>
            <RangeButton label={`${word(name)} after`} icon="right" onClick={() => move(1)} />
            {schedules.length > 0 && <PauseAll pipelines={pipelines} />}
          </>
        }
      >
        {list.data && (
          <p className="small soft wide-only">
            {schedules.length > 0 && (
              <>
                <b className="strong">{schedules.length}</b> of {pipelines.join(", ")}, times in{" "}
                {zone === "UTC" ? "UTC" : "local time"}
              </>
            )}
            <br />
            <span className="faint">{schedulersText(list.data.schedulers)}</span>
          </p>
        )}
      </PageHead>
      {list.data && schedules.length > 0 && list.data.schedulers === 0 && (
        <Banner icon="unworked" title="No scheduler is at work, so nothing fires">
          <span>
            <code>farandole keep-time</code> runs one
          </span>
        </Banner>
      )}
      {list.data?.unfit.map((each) => (
        <Banner
          key={each.generation}
          title={`A document of ${each.by || "somebody"} changes nothing`}
        >
          {each.why}
        </Banner>
      ))}
      <TroubleStrip
        troubles={scheduleTroubles(schedules, calendar.data?.days ?? [], `this ${name}`)}
      />
      {list.isPending && <Loading />}
      {list.isError && !list.data && (
        <ErrorNote
          error={list.error}
          what="The list of schedules"
          onRetry={() => void list.refetch()}
        />
      )}
      {list.data && schedules.length === 0 && (
        <Empty
          title="No version in force has schedules"
          commands={["farandole apply"]}
          action={
            editable && (
              <Link
                className="btn"
                to="/pipelines/$pipeline/editor"
                params={{ pipeline: editable }}
              >
                Edit the file
              </Link>
            )
          }
        >
          What fires at times, or after other runs and files, stands in the file under{" "}
          <code>schedules:</code> and is planned here once it is applied.
        </Empty>
      )}
      {schedules.length > 0 && (
        <>
          <ScheduleTable
            schedules={schedules}
            days={calendar.data?.days ?? []}
            range={range}
            current={chosen && keyOf(chosen)}
            several={pipelines.length > 1}
            onOpen={(row) => change({ pipeline: row.pipeline, name: row.schedule })}
          />
          <ScheduleLegend />
          {chosen && <ScheduleDetail key={keyOf(chosen)} schedule={chosen} />}
        </>
      )}
    </>
  );
}

function RangeButton({
  label,
  icon,
  onClick,
}: {
  label: string;
  icon: "left" | "right";
  onClick(): void;
}) {
  return (
    <button type="button" className="btn plain wide-only" aria-label={label} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

/** Pause or resume every schedule of a pipeline. */
function PauseAll({ pipelines }: { pipelines: readonly string[] }) {
  const [dialog, setDialog] = useState<{ deed: "pause" | "resume"; pipeline: string }>();
  const close = () => setDialog(undefined);
  const target = { pipeline: dialog?.pipeline ?? "", schedule: undefined };
  const [only] = pipelines;
  return (
    <>
      {pipelines.length === 1 && only !== undefined ? (
        <WriteButton icon="held" onClick={() => setDialog({ deed: "pause", pipeline: only })}>
          Pause all…
        </WriteButton>
      ) : null}
      <Menu
        label="All schedules"
        items={pipelines.flatMap((pipeline) => [
          {
            label: `Pause all of ${pipeline}…`,
            icon: "held" as const,
            onSelect: () => setDialog({ deed: "pause", pipeline }),
          },
          {
            label: `Resume all of ${pipeline}…`,
            icon: "play" as const,
            onSelect: () => setDialog({ deed: "resume", pipeline }),
          },
        ])}
      />
      {dialog?.deed === "pause" && <PauseDialog target={target} onClose={close} />}
      {dialog?.deed === "resume" && <ResumeDialog target={target} onClose={close} />}
    </>
  );
}

function word(name: RangeName): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function schedulersText(count: number): string {
  if (count === 0) return "no scheduler runs";
  return count === 1 ? "1 scheduler at work" : `1 scheduler at work, ${count - 1} stand by`;
}
