/** Who has done what, when and from where? */

import "./actions.css";
import { PageHead } from "@/layout/PageHead";
import { usePipelines } from "@/navigation/pipelines";
import { useFilters } from "@/navigation/search";
import { type Column, DataTable } from "@/ui/DataTable";
import { SafeText } from "@/ui/JsonView";
import { Moment, ZoneWord } from "@/ui/Moment";
import { MoreButton } from "@/ui/MoreButton";
import { Empty, ErrorNote, Loading } from "@/ui/PageStates";
import { useNarrow } from "@/ui/useNarrow";
import { ActionFilters } from "./ActionFilters";
import { ActionPanel } from "./ActionPanel";
import { type Action, useActions } from "./queries";
import { changeWords, Outcome, Target, wayWords } from "./words";

const filterNames = ["who", "what", "of", "pipeline", "result", "via", "since"];

export default function ActionsPage() {
  const [search, change] = useFilters();
  const actions = useActions(search);
  const narrow = useNarrow();
  const several = (usePipelines().data?.length ?? 0) > 1;
  const rows = actions.rows ?? [];
  const chosen = rows.find((action) => action.id === search["action"]);
  const filtered = filterNames.some((name) => search[name]);
  const none = actions.isSuccess && rows.length === 0;
  return (
    <>
      <PageHead
        title="Audit log"
        filters={none && !filtered ? undefined : <ActionFilters />}
        actions={
          <button type="button" className="btn" onClick={() => void actions.refetch()}>
            Look again
          </button>
        }
      >
        <p className="small soft wide-only">
          what people have done, by the command line or here
          <br />
          <span className="faint">kept for 90 days; what kcat writes is not here</span>
        </p>
      </PageHead>
      {actions.isPending && <Loading />}
      {actions.isError && !actions.data && (
        <ErrorNote
          error={actions.error}
          what="The audit log"
          onRetry={() => void actions.refetch()}
        />
      )}
      {none &&
        (filtered ? (
          <Empty
            title="Nobody has done that"
            action={
              <button
                type="button"
                className="btn"
                onClick={() =>
                  change(Object.fromEntries(filterNames.map((name) => [name, undefined])))
                }
              >
                Show everything
              </button>
            }
          >
            Deeds stand here for 90 days.
          </Empty>
        ) : (
          <Empty title="Nobody has done anything yet" commands={["farandole actions"]}>
            Whatever somebody applies, pauses, triggers, replays or acknowledges stands here, also
            what was refused.
          </Empty>
        ))}
      {rows.length > 0 && (
        <div className={chosen ? "deeds with-panel" : "deeds"}>
          <div className="deed-list">
            <DataTable
              label="What people have done"
              columns={columns(several, chosen !== undefined, narrow)}
              rows={rows}
              rowKey={(action) => action.id}
              current={chosen?.id}
              onOpen={(action) => change({ action: action.id })}
              rowClass={() => "opens"}
            />
            <MoreButton query={actions} what="deeds" />
          </div>
          {chosen && <ActionPanel action={chosen} onClose={() => change({ action: undefined })} />}
        </div>
      )}
    </>
  );
}

/** The columns that there is room for: `short` beside a panel; on a narrow screen what and how it
 * ended make the first line. */
function columns(several: boolean, short: boolean, narrow: boolean): Column<Action>[] {
  const all: (Column<Action> & { wide?: boolean })[] = [
    {
      key: "at",
      head: (
        <>
          When, <ZoneWord />
        </>
      ),
      width: 104,
      label: "at",
      cell: (action) => <Moment at={action.at} />,
    },
    {
      key: "what",
      head: "What",
      width: 124,
      className: "medium",
      cell: (action) => action.what,
    },
    {
      key: "of",
      head: "Of",
      width: 180,
      label: "of",
      cell: (action) => <Target action={action} several={several} />,
    },
    {
      key: "change",
      head: "Change",
      width: 160,
      className: "soft",
      wide: true,
      cell: (action) => <SafeText text={changeWords(action)} />,
    },
    {
      key: "who",
      head: "Who",
      width: 150,
      label: "by",
      cell: (action) => (
        <>
          <SafeText text={action.who} />
          {action.by && (
            <span className="faint">
              {" "}
              for <SafeText text={action.by} />
            </span>
          )}
        </>
      ),
    },
    {
      key: "from",
      head: "From",
      width: 170,
      className: "soft",
      label: "from",
      wide: true,
      cell: (action) => (
        <>
          {wayWords(action)}
          {action.origin && action.via === "web" && (
            <span className="faint">
              {" "}
              <SafeText text={action.origin} />
            </span>
          )}
        </>
      ),
    },
    {
      key: "result",
      head: "How it ended",
      width: 150,
      cell: (action) => <Outcome action={action} />,
    },
    {
      key: "why",
      head: "Why",
      className: "soft deed-why",
      label: "why",
      line: true,
      cell: (action) => action.reason && <SafeText text={action.reason} />,
    },
  ];
  const shown = all.filter((column) => !(column.wide && (short || narrow)));
  if (!narrow) return shown;
  const place = (key: string) => ["what", "result", "of", "who", "at", "why"].indexOf(key);
  return shown.sort((one, other) => place(one.key) - place(other.key));
}
