/** Which runs are asked for? */

import { periods } from "@/navigation/periods";
import { usePipelines } from "@/navigation/pipelines";
import { useFilters } from "@/navigation/search";
import { classes } from "@/ui/classes";
import { formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { ChoiceMenu } from "@/ui/Menu";
import { SearchField } from "@/ui/SearchField";
import { Segments } from "@/ui/Segments";
import { type StateName, states } from "@/ui/State";
import { countOf, type StatusGroup, statusGroupOf } from "./asked";
import type { RunsOverview } from "./useRuns";

const groups: { value: StatusGroup; label: string; state: StateName }[] = [
  { value: "running", label: "Running", state: "running" },
  { value: "completed", label: "Completed", state: "completed" },
  { value: "dead", label: "With dead letters", state: "dead" },
  { value: "failed", label: "Failed", state: "failed" },
  { value: "cancelled", label: "Cancelled", state: "cancelled" },
  { value: "unopened", label: "No root", state: "warned" },
];

/** Search, status, version and time; all of them stand in the address. */
export function RunFilters({ overview }: { overview: RunsOverview | undefined }) {
  const [search, change] = useFilters();
  const pipelines = usePipelines().data ?? [];
  const statuses = overview?.statuses;
  const shown = groups.filter(
    ({ value }) => value !== "unopened" || (statuses && countOf(statuses, value) > 0),
  );
  const versions = overview?.versions ?? [];
  const several = new Set(versions.map(({ pipeline }) => pipeline)).size > 1;
  return (
    <div className="filters">
      <SearchField
        label="Search"
        placeholder="Run id, root, schedule"
        value={search["q"] ?? ""}
        onSearch={(q) => change({ q }, { replace: true })}
      />
      <div className="chips">
        <Segments
          label="Status"
          value={statusGroupOf(search) ?? "all"}
          onChange={(status) => change({ status: status === "all" ? undefined : status })}
          segments={[
            { value: "all", label: <Facet label="All" count={overview?.total} /> },
            ...shown.map(({ value, label, state }) => ({
              value,
              label: (
                <>
                  <Icon name={states[state].icon} className={`tone-${toneOf(value)}`} />
                  <Facet label={label} count={statuses && countOf(statuses, value)} />
                </>
              ),
            })),
          ]}
        />
        <button
          type="button"
          className={classes("btn plain tone-late", search["late"] && "pressed")}
          aria-pressed={search["late"] !== undefined}
          onClick={() => change({ late: search["late"] ? undefined : "1" })}
        >
          <Icon name="late" />
          <Facet label="Late" count={overview?.late} />
        </button>
      </div>
      {pipelines.length > 1 && (
        <ChoiceMenu
          label="Pipeline"
          value={search["pipeline"] ?? ""}
          choices={[
            { value: "", label: "All pipelines" },
            ...pipelines.map(({ pipeline }) => ({ value: pipeline, label: pipeline })),
          ]}
          onChange={(pipeline) => change({ pipeline, version: undefined })}
        />
      )}
      <ChoiceMenu
        className="wide-only"
        label="Version"
        value={
          search["version"] ? (several ? `${search["pipeline"]}@` : "@") + search["version"] : ""
        }
        choices={[
          { value: "", label: "Any version" },
          ...versions.map(({ pipeline, version, runs }) => ({
            value: `${several ? pipeline : ""}@${version}`,
            label: `${several ? pipeline : ""}@${version}`,
            note: formatCount(runs),
          })),
        ]}
        onChange={(value) => {
          const [pipeline, version] = value.split("@");
          change(several && pipeline ? { pipeline, version } : { version });
        }}
      />
      <ChoiceMenu
        className="wide-only"
        label="Opened"
        value={search["since"] ?? ""}
        choices={[
          { value: "", label: "Any time" },
          ...Object.entries(periods).map(([value, { label }]) => ({ value, label })),
        ]}
        onChange={(since) => change({ since })}
      />
    </div>
  );
}

function Facet({ label, count }: { label: string; count: number | undefined }) {
  return (
    <>
      {label} {count !== undefined && <span className="unit">{formatCount(count)}</span>}
    </>
  );
}

/** In this row a completed run is marked as what one hopes for. */
function toneOf(group: StatusGroup): string {
  return group === "completed" ? "ok" : states[groupState(group)].tone;
}

function groupState(group: StatusGroup): StateName {
  return groups.find(({ value }) => value === group)?.state ?? "running";
}
