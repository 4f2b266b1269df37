/** The page “Incidents”: what needs somebody, what is in hand, and one incident. */

import { useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { useKeys } from "@/keyboard/keys";
import { PageHead } from "@/layout/PageHead";
import { useLiveRefresh } from "@/live/useLive";
import { useFilters } from "@/navigation/search";
import { formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { ChoiceMenu } from "@/ui/Menu";
import { Empty, ErrorNote, Loading } from "@/ui/PageStates";
import { PickList } from "@/ui/PickList";
import { Segments } from "@/ui/Segments";
import { useNarrow } from "@/ui/useNarrow";
import { IncidentRow } from "./IncidentRow";
import { IncidentView } from "./IncidentView";
import { type IncidentList, type Summary, useIncidents } from "./incidentQueries";
import "./incidents.css";

const DAY = 86_400_000;
const SPANS: Record<string, number> = { "24h": DAY, "7d": 7 * DAY };

type Shown = "open" | "muted" | "resolved";

export default function Page() {
  const [search, change] = useFilters();
  const shown =
    (["open", "muted", "resolved"] as const).find((one) => one === search["state"]) ?? "open";
  const span = SPANS[search["since"] ?? ""];
  const minute = Math.floor(Date.now() / 60_000) * 60_000;
  const query = useIncidents(search["pipeline"], span === undefined ? undefined : minute - span);
  const narrow = useNarrow();
  const queries = useQueryClient();
  useLiveRefresh("incidents", ["incidents"]);
  const stage = search["stage"];
  const data = useMemo(() => ofStage(query.data, stage), [query.data, stage]);
  const groups = useMemo(() => groupsOf(data, shown), [data, shown]);
  const all = groups.flatMap((group) => group.incidents);
  const id = search["id"] ?? (narrow ? undefined : all[0]?.id);
  const at = all.findIndex((one) => one.id === id);
  const open = (incident: Summary | undefined, replace = false) =>
    incident && change({ id: incident.id }, { replace });
  useKeys([
    { key: "j", does: "next incident", run: () => open(all[at < 0 ? 0 : at + 1], true) },
    { key: "k", does: "incident before", run: () => open(all[at - 1], true) },
    {
      key: "Enter",
      does: "note something",
      run: () => document.querySelector<HTMLElement>(".decide .input")?.focus(),
    },
    {
      key: "Escape",
      does: "back to the list",
      run: () => {
        const field = document.activeElement;
        if (field instanceof HTMLElement && field.closest(".decide")) field.blur();
        else if (search["id"]) change({ id: undefined });
      },
    },
  ]);
  const needs = data?.needs_somebody.length ?? 0;
  const inHand = data?.in_hand ?? [];
  const muted = inHand.filter((one) => one.state === "muted").length;
  const several = (data?.pipelines.length ?? 0) > 1;
  const steps = at >= 0 && (
    <span className="steps wide-only">
      <span className="faint">
        {at + 1} of {all.length}
      </span>
      <button
        type="button"
        className="btn plain"
        aria-label="Before"
        disabled={at === 0}
        onClick={() => open(all[at - 1], true)}
      >
        <Icon name="left" />
      </button>
      <button
        type="button"
        className="btn plain"
        aria-label="Next"
        disabled={at + 1 === all.length}
        onClick={() => open(all[at + 1], true)}
      >
        <Icon name="right" />
      </button>
    </span>
  );
  const count = (value: number | undefined) =>
    data && <span className="unit">{formatCount(value ?? 0)}</span>;
  return (
    <div className="p-incidents">
      <PageHead title="Incidents">
        <Segments<Shown>
          label="State"
          className="wide-only"
          value={shown}
          onChange={(value) =>
            change({ state: value === "open" ? undefined : value, id: undefined })
          }
          segments={[
            { value: "open", label: <>Open {count(needs + inHand.length)}</> },
            { value: "muted", label: <>Muted {count(muted)}</> },
            { value: "resolved", label: <>Resolved {count(data?.resolved.length)}</> },
          ]}
        />
        {(several || search["pipeline"]) && (
          <ChoiceMenu
            label="Pipeline"
            className="wide-only"
            value={search["pipeline"] ?? ""}
            onChange={(pipeline) => change({ pipeline, id: undefined })}
            choices={[
              { value: "", label: "Any pipeline" },
              ...(data?.pipelines ?? []).map((name) => ({ value: name, label: name })),
            ]}
          />
        )}
        {stage && (
          <button
            type="button"
            className="select"
            title={`Stage ${stage}: show all stages`}
            onClick={() => change({ stage: undefined, id: undefined })}
          >
            Stage <span className="medium">{stage}</span> <Icon name="close" />
          </button>
        )}
        {shown === "resolved" && (
          <ChoiceMenu
            label="Resolved since"
            className="wide-only"
            value={search["since"] ?? ""}
            onChange={(since) => change({ since })}
            choices={[
              { value: "24h", label: "Last 24 hours" },
              { value: "7d", label: "Last 7 days" },
              { value: "", label: "All that are kept" },
            ]}
          />
        )}
        <p className="small soft narrow-only">
          {formatCount(needs + inHand.length)} open, {formatCount(needs)} of them need somebody
        </p>
      </PageHead>
      {query.error && !data ? (
        <ErrorNote
          error={query.error}
          what="The list of incidents"
          onRetry={() => query.refetch()}
        />
      ) : data && all.length === 0 && !search["id"] ? (
        <Nothing shown={shown} stage={stage} onAll={() => change({ stage: undefined })} />
      ) : (
        <div className="list-one">
          <details className="pane incs" open={!narrow || !search["id"]}>
            <summary>
              <h2>{groups[0]?.title ?? "Incidents"}</h2>
              <span className="faint">{groups[0]?.note}</span>
            </summary>
            {!data && <Loading rows={6} label="Incidents" />}
            {groups.map((group, index) => (
              <div key={group.title}>
                {index > 0 && (
                  <p className="list-label">
                    {group.title} <span className="faint">{group.note}</span>
                  </p>
                )}
                <PickList
                  label={group.title}
                  className={group.calm ? "calm" : ""}
                  items={group.incidents}
                  itemKey={(incident: Summary) => incident.id}
                  current={id}
                  onPick={(incident) => open(incident)}
                  render={(incident) => <IncidentRow incident={incident} several={several} />}
                />
                {group.incidents.length === 0 && (
                  <p className="pane-note soft">Nothing needs anybody.</p>
                )}
              </div>
            ))}
          </details>
          {id ? (
            <IncidentView
              id={id}
              steps={steps}
              onDone={() => void queries.invalidateQueries({ queryKey: ["incidents"] })}
            />
          ) : (
            !narrow && <article className="letter one-inc" aria-label="No incident" />
          )}
        </div>
      )}
    </div>
  );
}

interface Group {
  title: string;
  note: string;
  calm: boolean;
  incidents: Summary[];
}

function groupsOf(data: ReturnType<typeof useIncidents>["data"], shown: Shown): Group[] {
  if (!data) return [];
  const { needs_somebody: needs, in_hand: inHand, resolved } = data;
  if (shown === "resolved")
    return [
      {
        title: "Resolved",
        note: `${resolved.length}, newest first`,
        calm: true,
        incidents: resolved,
      },
    ];
  if (shown === "muted") {
    const muted = inHand.filter((one) => one.state === "muted");
    return [{ title: "Muted", note: `${muted.length}`, calm: true, incidents: muted }];
  }
  if (needs.length + inHand.length === 0) return [];
  return [
    {
      title: "Need somebody",
      note: `${needs.length}, most urgent first`,
      calm: false,
      incidents: needs,
    },
    ...(inHand.length > 0
      ? [{ title: "In hand", note: `${inHand.length}`, calm: true, incidents: inHand }]
      : []),
  ];
}

/** The incidents of one stage; of all without one. */
function ofStage(data: IncidentList | undefined, stage: string | undefined) {
  if (!data || !stage) return data;
  const its = (incidents: Summary[]) => incidents.filter((each) => each.stage === stage);
  return {
    ...data,
    needs_somebody: its(data.needs_somebody),
    in_hand: its(data.in_hand),
    resolved: its(data.resolved),
  };
}

function Nothing({
  shown,
  stage,
  onAll,
}: {
  shown: Shown;
  stage: string | undefined;
  onAll(): void;
}) {
  if (stage)
    return (
      <Empty
        title={`No incident of ${stage} is ${shown}`}
        action={
          <button type="button" className="btn" onClick={onAll}>
            Show all stages
          </button>
        }
      >
        Other stages may have some.
      </Empty>
    );
  if (shown === "muted")
    return <Empty title="Nothing is muted">A muted incident sends nothing until its end.</Empty>;
  if (shown === "resolved")
    return (
      <Empty title="Nothing was resolved">Resolved incidents are kept here for seven days.</Empty>
    );
  return (
    <Empty title="No incident is open" commands={["farandole incidents --all"]}>
      Failures, and what is late or stuck, stand here until they are over. The command lists the
      resolved ones, too. Who is told stands in the file, under <code>alerts:</code>.
    </Empty>
  );
}
