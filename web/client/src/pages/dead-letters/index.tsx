/** The page “Dead letters”: kinds, letters of one kind, one letter with its repair and replay. */

import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { useKeys } from "@/keyboard/keys";
import { PageHead } from "@/layout/PageHead";
import { useLiveRefresh } from "@/live/useLive";
import { useChosenPipeline, usePipelines } from "@/navigation/pipelines";
import { useFilters } from "@/navigation/search";
import { classes } from "@/ui/classes";
import { cutMiddle, formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { ChoiceMenu } from "@/ui/Menu";
import { Empty, ErrorNote } from "@/ui/PageStates";
import { Pane } from "@/ui/Pane";
import { SearchField } from "@/ui/SearchField";
import { Segments } from "@/ui/Segments";
import { useNarrow } from "@/ui/useNarrow";
import { KindList } from "./KindList";
import { LetterList, letterCount, letterKey } from "./LetterList";
import { LetterView } from "./LetterView";
import {
  type Kind,
  type Letter,
  type LetterFilters,
  type LetterName,
  type LetterState,
  useKinds,
  useLetters,
} from "./letterQueries";
import "./dead-letters.css";

const DAY = 86_400_000;
const SPANS: Record<string, number> = { "1h": DAY / 24, "24h": DAY, "7d": 7 * DAY };

export default function Page() {
  const [search, change] = useFilters();
  const filters = useLetterFilters(search);
  const state =
    (["open", "settled", "all"] as const).find((one) => one === search["state"]) ?? "open";
  const text = search["text"] ?? "";
  const kinds = useKinds(filters);
  const kind = chosenKind(kinds.data?.kinds, search, text);
  const letters = useLetters(filters, text ? undefined : kind, state, text);
  const [reveal, setReveal] = useState<string>();
  const [refusals, setRefusals] = useState<ReadonlyMap<string, string>>(new Map());
  const narrow = useNarrow();
  const letter = useChosenLetter(search, letters.rows, narrow, kind);
  const queries = useQueryClient();
  useLiveRefresh("letters", ["dead-letters", "kinds"]);
  const several = (usePipelines().data?.length ?? 0) > 1;

  const openKind = (picked: Kind) =>
    change({
      kind: picked.fingerprint,
      of: `${picked.pipeline}/${picked.stage}`,
      letter: undefined,
      text: undefined,
      job: undefined,
    });
  const openLetter = (picked: Letter, replace = false) =>
    change({ letter: letterKey(picked), job: undefined }, { replace });
  const at = letters.rows?.findIndex((one) => letter && letterKey(one) === letterKey(letter)) ?? -1;
  const total = letters.data?.pages[0] ? totalOf(letters.data.pages[0]) : undefined;
  const step = (by: number) => {
    const next = letters.rows?.[at < 0 ? 0 : at + by];
    if (next) openLetter(next, true);
    else if (by > 0 && letters.hasNextPage) void letters.fetchNextPage();
  };
  useKeys([
    { key: "j", does: "older letter", run: () => step(1) },
    { key: "k", does: "newer letter", run: () => step(-1) },
    {
      key: "Enter",
      does: "repair the letter",
      run: () =>
        document
          .querySelector<HTMLElement>(".mend :is(.input:not([readonly]), textarea, .cm-content)")
          ?.focus(),
    },
    {
      key: "Escape",
      does: "back to the list",
      run: () => {
        const field = document.activeElement;
        if (field instanceof HTMLElement && field.closest(".mend")) field.blur();
        else if (search["letter"]) change({ letter: undefined });
        else if (search["kind"]) change({ kind: undefined, of: undefined });
      },
    },
  ]);
  const settled = useCallback(
    () => void queries.invalidateQueries({ queryKey: ["dead-letters"] }),
    [queries],
  );
  const anyOpen = (kinds.data?.open ?? 0) > 0;
  const next = () => {
    const goes = kind !== undefined && kind.open > 0;
    change({
      job: undefined,
      letter: undefined,
      state: undefined,
      ...(goes ? {} : { kind: undefined, of: undefined, text: undefined }),
    });
  };
  const key = letter && letterKey(letter);
  const open = kinds.data?.kinds.filter((one) => one.open > 0).length ?? 0;
  const steps = at >= 0 && (
    <span className="steps wide-only">
      <span className="faint">
        {formatCount(at + 1)} of {formatCount(total ?? letters.rows?.length ?? 0)}
      </span>
      <button
        type="button"
        className="btn plain"
        aria-label="Newer letter"
        disabled={at === 0}
        onClick={() => step(-1)}
      >
        <Icon name="left" />
      </button>
      <button
        type="button"
        className="btn plain"
        aria-label="Older letter"
        disabled={at + 1 === total}
        onClick={() => step(1)}
      >
        <Icon name="right" />
      </button>
    </span>
  );
  return (
    <div className={classes("p-dead-letters three-panes", narrow && letter && "one-open")}>
      <PageHead
        title="Dead letters"
        actions={
          <>
            <Link className="btn wide-only" to="/parked">
              Parked rows
            </Link>
            <SearchField
              label="Search"
              placeholder="Error, message, value"
              value={text}
              onSearch={(value) =>
                change({ text: value || undefined, letter: undefined }, { replace: true })
              }
            />
          </>
        }
      >
        <Head
          state={state}
          search={search}
          open={kinds.data?.open}
          settled={kinds.data?.settled}
          stages={kinds.data?.stages ?? []}
          run={filters.run}
          onChange={(patch) => change({ ...patch, letter: undefined })}
        />
      </PageHead>
      {kinds.error && !kinds.data ? (
        <ErrorNote
          error={kinds.error}
          what="The list of dead letters"
          onRetry={() => kinds.refetch()}
        />
      ) : kinds.data && kinds.data.kinds.length === 0 ? (
        <NoLetters
          filtered={Boolean(filters.stage ?? filters.run ?? filters.since)}
          onAll={() => change({ stage: undefined, run: undefined, since: undefined })}
        />
      ) : (
        <div className="three">
          <Pane
            className="kinds"
            title="Kinds"
            note={
              kinds.data &&
              `${formatCount(open)} open, ${formatCount(kinds.data.kinds.length - open)} settled`
            }
            open={!narrow || (!search["kind"] && !text)}
          >
            <KindList
              kinds={kinds.data?.kinds}
              current={text ? undefined : narrow && !search["kind"] ? undefined : kind}
              several={several}
              onPick={openKind}
            />
            {(kinds.data?.left_out ?? 0) > 0 && (
              <p className="pane-note small faint">
                {formatCount(kinds.data?.left_out ?? 0)} older letters are not shown.
              </p>
            )}
          </Pane>
          <Pane
            className="letters"
            title="Letters"
            note={text ? `${formatCount(total ?? 0)} with “${text}”` : letterCount(total, state)}
            open={!narrow || ((Boolean(search["kind"]) || Boolean(text)) && !search["letter"])}
          >
            <LetterList query={letters} current={key} refusals={refusals} onPick={openLetter} />
          </Pane>
          {letter ? (
            <LetterView
              name={letter}
              kind={kind}
              run={filters.run}
              since={filters.since}
              reveal={reveal === key}
              onReveal={(on) => setReveal(on ? key : undefined)}
              steps={steps}
              crumb={
                <>
                  Dead letters
                  <Icon name="right" />
                  {letter.stage}
                  {at >= 0 && (
                    <>
                      <Icon name="right" />
                      {at + 1} of {formatCount(total ?? 0)}
                    </>
                  )}
                </>
              }
              job={search["job"]}
              onJob={(job) => change({ job, letter: letterKey(letter) }, { replace: true })}
              onPlanned={setRefusals}
              onSettled={settled}
              onNext={anyOpen ? next : undefined}
            />
          ) : (
            !narrow && <article className="letter" aria-label="No letter" />
          )}
        </div>
      )}
    </div>
  );
}

function Head({
  state,
  search,
  open,
  settled,
  stages,
  run,
  onChange,
}: {
  state: LetterState;
  search: Record<string, string | undefined>;
  open: number | undefined;
  settled: number | undefined;
  stages: readonly string[];
  run: string | null;
  onChange(patch: Record<string, string | undefined>): void;
}) {
  const count = (value: number | undefined) =>
    value === undefined ? null : <span className="unit">{formatCount(value)}</span>;
  return (
    <>
      <Segments<LetterState>
        label="State"
        value={state}
        onChange={(value) => onChange({ state: value === "open" ? undefined : value })}
        segments={[
          { value: "open", label: <>Open {count(open)}</> },
          { value: "settled", label: <>Settled {count(settled)}</> },
          { value: "all", label: "All" },
        ]}
      />
      <ChoiceMenu
        label="Stage"
        className="wide-only"
        value={search["stage"] ?? ""}
        onChange={(stage) => onChange({ stage, kind: undefined, of: undefined })}
        choices={[
          { value: "", label: "Any stage" },
          ...stages.map((stage) => ({ value: stage, label: stage })),
        ]}
      />
      {run ? (
        <button
          type="button"
          className="select wide-only"
          title={`Run ${run}: show all runs`}
          onClick={() => onChange({ run: undefined })}
        >
          Run <span className="id">{cutMiddle(run)}</span> <Icon name="close" />
        </button>
      ) : null}
      <ChoiceMenu
        label="Since"
        className="wide-only"
        value={search["since"] ?? ""}
        onChange={(since) => onChange({ since, kind: undefined, of: undefined })}
        choices={[
          { value: "1h", label: "Last hour" },
          { value: "24h", label: "Last 24 hours" },
          { value: "7d", label: "Last 7 days" },
          { value: "", label: "Last 30 days" },
        ]}
      />
    </>
  );
}

function NoLetters({ filtered, onAll }: { filtered: boolean; onAll(): void }) {
  if (filtered)
    return (
      <Empty
        title="No dead letter fits"
        action={
          <button type="button" className="btn" onClick={onAll}>
            Show all
          </button>
        }
      >
        Other stages, runs or times may have some.
      </Empty>
    );
  return (
    <Empty title="No event has died" commands={["farandole dead"]}>
      An event that a stage gives up on is kept here for 30 days, with why: to be repaired and
      replayed, or discarded. The command shows the same.
    </Empty>
  );
}

function useLetterFilters(search: Record<string, string | undefined>): LetterFilters {
  const since = SPANS[search["since"] ?? ""];
  // To the minute, so that the key of the query stays for a while.
  const minute = Math.floor(Date.now() / 60_000) * 60_000;
  return useMemo(
    () => ({
      pipeline: search["pipeline"] ?? null,
      stage: search["stage"] ?? null,
      run: search["run"] ?? null,
      since: since === undefined ? null : minute - since,
    }),
    [search["pipeline"], search["stage"], search["run"], since, minute],
  );
}

/** The kind of the address, else the first. */
function chosenKind(
  kinds: readonly Kind[] | undefined,
  search: Record<string, string | undefined>,
  text: string,
): Kind | undefined {
  const named = kinds?.find(
    (one) =>
      one.fingerprint === search["kind"] &&
      (search["of"] === undefined || search["of"] === `${one.pipeline}/${one.stage}`),
  );
  return named ?? (search["kind"] || text ? undefined : kinds?.[0]);
}

/** The letter of the address, else the newest, which a narrow screen does not open by itself. */
function useChosenLetter(
  search: Record<string, string | undefined>,
  rows: readonly Letter[] | undefined,
  narrow: boolean,
  kind: Kind | undefined,
): LetterName | undefined {
  const pipeline = useChosenPipeline();
  const written = search["letter"];
  const first = narrow ? undefined : rows?.[0];
  const asked = written ?? (first && letterKey(first));
  return useMemo(() => {
    if (asked === undefined) return undefined;
    const parts = asked.split("/");
    const offset = Number(parts.pop());
    const stage = parts.pop();
    const owner = parts.pop() ?? kind?.pipeline ?? pipeline;
    if (!stage || !owner || !Number.isSafeInteger(offset)) return undefined;
    return { pipeline: owner, stage, offset };
  }, [asked, kind?.pipeline, pipeline]);
}

function totalOf(page: unknown): number | undefined {
  const total = (page as { total?: unknown }).total;
  return typeof total === "number" ? total : undefined;
}
