/** The page “Parked rows”: which rows wait for a person by stage and check, and what becomes of them. */

import { Link } from "@tanstack/react-router";
import { useKeys } from "@/keyboard/keys";
import { PageHead } from "@/layout/PageHead";
import { useChosenPipeline } from "@/navigation/pipelines";
import { useFilters } from "@/navigation/search";
import { classes } from "@/ui/classes";
import { EventKey } from "@/ui/EventKey";
import { Facts } from "@/ui/Facts";
import { Age } from "@/ui/figures";
import { counted, cutMiddle, epochMs, formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { JsonView, SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { Empty, ErrorNote, Loading } from "@/ui/PageStates";
import { Pane } from "@/ui/Pane";
import { PickList } from "@/ui/PickList";
import { CopyId, RunId } from "@/ui/RunId";
import { State } from "@/ui/State";
import { useNarrow } from "@/ui/useNarrow";
import { DecideRows } from "./DecideRows";
import { type Kind, type Parked, type Row, useParked } from "./queries";
import { parseKind } from "./words";
import "./parked.css";

export default function Page() {
  const [search, change] = useFilters();
  const pipeline = useChosenPipeline();
  const narrow = useNarrow();
  const asked = parseKind(search["of"]);
  const all = useParked(pipeline, undefined);
  const kinds = all.data?.kinds.filter((one) => !search["stage"] || one.stage === search["stage"]);
  const kind =
    kinds?.find((one) => one.stage === asked?.stage && one.check === asked.check) ??
    (narrow ? undefined : kinds?.[0]);
  const listed = useParked(pipeline, kind);
  const rows = kind ? (listed.data?.rows ?? []).filter((one) => isOf(one, kind)) : [];
  const row = rows.find((one) => one.position === search["row"]) ?? (narrow ? undefined : rows[0]);
  const step = (by: number) => {
    const at = row ? rows.indexOf(row) + by : 0;
    const next = rows[at];
    if (next) change({ row: next.position }, { replace: true });
  };
  useKeys([
    { key: "j", does: "next row", run: () => step(1) },
    { key: "k", does: "row before", run: () => step(-1) },
    {
      key: "Escape",
      does: "back to the list",
      run: () => (search["row"] ? change({ row: undefined }) : change({ of: undefined })),
    },
  ]);
  return (
    <div className={classes("p-parked three-panes", narrow && row && "one-open")}>
      <PageHead
        title="Parked rows"
        actions={
          <Link className="btn" to="/dead-letters">
            Dead letters
          </Link>
        }
      >
        {all.data && all.data.total > 0 && (
          <p className="small soft wide-only">
            <b className="strong">{counted(all.data.total, "row waits", "rows wait")}</b> for a
            person
            <br />
            <span className="faint">later events of their keys wait behind them</span>
          </p>
        )}
      </PageHead>
      {all.isPending && <Loading />}
      {all.error && !all.data && (
        <ErrorNote
          error={all.error}
          what="The list of parked rows"
          onRetry={() => void all.refetch()}
        />
      )}
      {all.data && kinds?.length === 0 && <NoRows />}
      {pipeline && all.data && kinds && kinds.length > 0 && (
        <div className="three">
          <Pane
            className="kinds"
            title="Kinds"
            note={counted(kinds.length, "check")}
            open={!narrow || !kind}
          >
            <PickList
              label="Kinds"
              items={kinds}
              itemKey={(one: Kind) => kindKey(one)}
              current={kind && kindKey(kind)}
              onPick={(one) => change({ of: kindKey(one), row: undefined })}
              render={(one) => <KindLines kind={one} />}
            />
          </Pane>
          <Pane
            className="letters"
            title="Rows"
            note={kind && listed.data ? `${formatCount(kind.count)}, longest first` : ""}
            open={!narrow || (kind !== undefined && !row)}
          >
            {kind && listed.data && (
              <RowList
                pipeline={pipeline}
                kind={kind}
                listed={listed.data}
                rows={rows}
                row={row}
                onPick={(one) => change({ row: one.position })}
              />
            )}
          </Pane>
          {row ? (
            <RowView pipeline={pipeline} row={row} key={`${row.stage}/${row.position}`} />
          ) : (
            !narrow && <article className="letter" aria-label="No row" />
          )}
        </div>
      )}
    </div>
  );
}

function KindLines({ kind }: { kind: Kind }) {
  return (
    <>
      <span className="row">
        <b>{kind.stage}</b>
        <span className="fig">
          <b className="tone-wait">{formatCount(kind.count)}</b> wait
        </span>
      </span>
      <span className="row small faint">
        <span className="cut-end" title={kind.check}>
          <SafeText text={kind.check} />
        </span>
        <span>
          since <Age since={epochMs(kind.since)} />
        </span>
      </span>
    </>
  );
}

function RowList({
  pipeline,
  kind,
  listed,
  rows,
  row,
  onPick,
}: {
  pipeline: string;
  kind: Kind;
  listed: Parked;
  rows: readonly Row[];
  row: Row | undefined;
  onPick(row: Row): void;
}) {
  return (
    <>
      <div className="parked-all">
        <DecideRows
          pipeline={pipeline}
          stage={kind.stage}
          meant={{ check: kind.check, until: listed.at }}
          count={listed.total}
          key={kindKey(kind)}
        />
      </div>
      <PickList
        label="Rows"
        items={rows}
        itemKey={(one: Row) => one.position}
        current={row?.position}
        onPick={onPick}
        render={(one) => (
          <>
            <span className="row">
              <b title={one.position}>{cutMiddle(one.position, 8, 10)}</b>
              <span className="faint">
                <Age since={epochMs(one.since)} />
              </span>
            </span>
            <span className="row small soft">
              {one.ordered ? (
                <State of="parked">{one.ordered.do} ordered</State>
              ) : (
                <span className="cut-end" title={one.message}>
                  <SafeText text={one.message} />
                </span>
              )}
            </span>
          </>
        )}
      />
      {listed.total > rows.length && (
        <p className="pane-note small faint">
          {formatCount(listed.total - rows.length)} more wait.
        </p>
      )}
    </>
  );
}

function RowView({ pipeline, row }: { pipeline: string; row: Row }) {
  return (
    <article className="letter" aria-label={`Row ${row.position}`}>
      <header>
        <p className="narrow-only small crumb">
          Parked rows
          <Icon name="right" />
          {row.stage}
        </p>
        <h2 className="letter-name">
          <CopyId id={row.position} whole />
        </h2>
        <State of="parked">{row.ordered ? `${row.ordered.do} ordered` : "waits"}</State>
      </header>
      <div className="cause wait">
        <p>
          <b>
            <SafeText text={row.message} />
          </b>
        </p>
      </div>
      <Facts
        facts={[
          {
            label: "Waits",
            value: <Age since={epochMs(row.since)} />,
            note: (
              <>
                since <Moment at={row.since} />
              </>
            ),
          },
          { label: "Before", value: row.stage, note: row.version },
          { label: "Run", value: <RunId id={row.run} accent /> },
          {
            label: "Key",
            value: row.key === null ? "" : <EventKey text={row.key} />,
            note: row.key === null ? "it has none" : "its later events wait behind it",
          },
        ]}
      />
      <section className="sect parked-row">
        <div className="sect-head">
          <h2>Data</h2>
          <p className="note">
            <Link
              className="link"
              to="/trace/$id"
              params={{ id: row.position }}
              search={{ pipeline }}
            >
              Trace
            </Link>
          </p>
        </div>
        <JsonView text={row.data} cut={row.data_cut} label="Data" />
        <DecideRows
          pipeline={pipeline}
          stage={row.stage}
          meant={{ positions: [row.position] }}
          count={1}
          row={row}
        />
      </section>
    </article>
  );
}

function NoRows() {
  return (
    <Empty title="No row waits for a person" commands={["farandole parked"]}>
      A row that breaks a check with <code>severity: park</code> waits here until somebody releases,
      mends or discards it. The command shows the same.
    </Empty>
  );
}

function kindKey({ stage, check }: Pick<Kind, "stage" | "check">): string {
  return `${stage}/${check}`;
}

/** Whether a row is of a kind: the rows of the kind before are shown until the next ones come. */
function isOf(row: Row, { stage, check }: Kind): boolean {
  return row.stage === stage && row.checks.includes(check);
}
