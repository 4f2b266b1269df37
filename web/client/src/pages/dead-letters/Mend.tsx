/** How is a letter repaired, and what would its replay do? */

import { useEffect, useMemo, useState } from "react";
import { parseExact, stringifyExact } from "@/api/exactJson";
import { Drafts, useDrafts } from "@/forms/drafts";
import { JsonField } from "@/forms/JsonField";
import { isObject, type Json, type JsonObject } from "@/forms/jsonValue";
import { formatBytes } from "@/ui/format";
import { JsonView } from "@/ui/JsonView";
import { ChoiceMenu } from "@/ui/Menu";
import { Segments } from "@/ui/Segments";
import { BeforeAfter } from "./BeforeAfter";
import { JobLine } from "./JobLine";
import { type Change, type Detail, type Kind, useCheck } from "./letterQueries";
import { Preview } from "./Preview";
import { MASK, RepairForm } from "./RepairForm";

type Way = "form" | "json" | "patch";

const NO_PATCH = "{}";
const MAX_FIELDS = 120; // more are edited as JSON

interface MendProps {
  letter: Detail;
  kind: Kind | undefined;
  run: string | null;
  since: number | null;
  job: string | undefined;
  onJob(job: string | undefined): void;
  onPlanned(refusals: ReadonlyMap<string, string>): void;
  onSettled(): void;
  onNext: (() => void) | undefined;
}

/** The data with their repair, the difference, and the preview. */
export function Mend(props: MendProps) {
  const { letter } = props;
  const before = useMemo(() => parseObject(letter.data, letter.data_kind), [letter]);
  const [edited, setEdited] = useState<string>();
  const [patch, setPatch] = useState(NO_PATCH);
  const [newest, setNewest] = useState(false);
  const canForm = before !== undefined && Object.keys(before).length <= MAX_FIELDS;
  const canJson = letter.data_kind === "json" || letter.data_kind === "text";
  const [chosen, setWay] = useState<Way>();
  const way: Way = chosen ?? (canForm ? "form" : canJson && !letter.data_cut ? "json" : "patch");
  const written = changeOf(way, letter, edited, patch);
  const change = useSettled(written, 250);
  const { drafts, hold } = useDrafts();
  const name = { pipeline: letter.pipeline, stage: letter.stage, offset: letter.offset };
  const open = letter.settlement === null;
  const check = useCheck(name, open ? change : undefined, newest, letter.revealed);
  // What the preview counts must be what the fields show.
  const behind = changeKey(change) !== changeKey(written) || check.isPlaceholderData;
  const wait = behind ? "What is written is being checked" : undefined;
  const unread = // what cannot be read is not thrown away by a look at another way
    way === "patch" && change !== undefined && !check.data?.after ? check.data?.problem : undefined;
  const unfinished = drafts[0] ?? wait;
  const mendBy = (next: Way) => {
    const found = change === undefined || behind ? undefined : check.data;
    if (next === "patch" && way !== "patch") setPatch(found?.patch ?? NO_PATCH);
    if (next !== "patch" && way === "patch" && found) setEdited(found.after || undefined);
    setWay(next);
  };
  const target = newest ? letter.targets.at(-1) : letter.targets[0];
  const schema = target?.accepts ?? null;
  const accepts = typeof schema?.["title"] === "string" ? schema["title"] : "the schema";
  if (!open || letter.problem)
    return (
      <section className="sect data-only">
        <div className="sect-head">
          <h2>Data</h2>
          <p className="note">{formatBytes(letter.data_size)}</p>
        </div>
        <Data letter={letter} />
        {letter.problem && open && (
          <p className="unfit small">It cannot be replayed: {letter.problem}.</p>
        )}
        {open && (
          <Preview
            {...props}
            change={undefined}
            check={undefined}
            newest={false}
            unfinished={undefined}
          />
        )}
        {!open && props.job !== undefined && (
          <section className="preview only-job" aria-label="What was done">
            <JobLine
              id={props.job}
              onEnded={props.onSettled}
              onClose={() => props.onJob(undefined)}
              onNext={props.onNext}
            />
          </section>
        )}
      </section>
    );
  return (
    <>
      <div className="mend">
        <section>
          <div className="sect-head">
            <h2>Repair</h2>
            <VersionChoice letter={letter} newest={newest} onChange={setNewest} />
            <span className="right" />
            <Segments<Way>
              label="How to repair"
              className="tight"
              value={way}
              onChange={mendBy}
              segments={[
                {
                  value: "form",
                  label: "Form",
                  refusal: canForm
                    ? (wait ?? unread ?? undefined)
                    : "The data are no object of few fields",
                },
                {
                  value: "json",
                  label: "JSON",
                  refusal: letter.data_cut
                    ? "The data are cut: use a patch"
                    : (wait ?? unread ?? undefined),
                },
                {
                  value: "patch",
                  label: "Patch",
                  refusal:
                    wait ?? (way === "patch" ? undefined : check.data?.patch_problem) ?? undefined,
                },
              ]}
            />
          </div>
          {way === "form" && before && (
            <Drafts hold={hold}>
              <RepairForm
                schema={schema}
                keyField={target?.key ?? null}
                before={before}
                value={parseObject(edited ?? letter.data, "json") ?? before}
                onChange={(value) => setEdited(stringifyExact(value, 2))}
              />
            </Drafts>
          )}
          {way === "json" && (
            <JsonField
              label="Data as JSON"
              value={edited ?? letter.data}
              onChange={setEdited}
              note={
                letter.masked
                  ? "••• is personal and stays as it is, unless you write something else."
                  : undefined
              }
            />
          )}
          {way === "patch" && (
            <JsonField
              label="Merge patch"
              value={patch}
              onChange={setPatch}
              note={
                <>
                  A merge patch (RFC 7396), such as{" "}
                  <code>{samplePatch(before, target?.key ?? null)}</code>: a field replaces the one
                  of its name, null removes it.
                </>
              }
            />
          )}
        </section>
        {letter.data_cut || letter.data_kind === "hidden" ? (
          <section>
            <div className="sect-head">
              <h2>Data</h2>
              <p className="note">{formatBytes(letter.data_size)}</p>
            </div>
            <Data letter={letter} />
          </section>
        ) : (
          <BeforeAfter
            before={letter.data}
            check={change === undefined ? undefined : check.data}
            accepts={accepts}
          />
        )}
      </div>
      <Preview
        {...props}
        change={change}
        check={check.isPlaceholderData ? undefined : check.data}
        newest={newest}
        unfinished={unfinished}
      />
    </>
  );
}

function Data({ letter }: { letter: Detail }) {
  if (letter.data_kind === "none") return <p className="soft">There are no data.</p>;
  if (letter.data_kind === "hidden")
    return (
      <p className="soft">
        Not shown: too long, or no JSON, so that what is personal could be anywhere.
      </p>
    );
  return <JsonView text={letter.data} cut={letter.data_cut} label="Data" />;
}

/** Which version handles it; only where there is a choice. */
function VersionChoice({
  letter,
  newest,
  onChange,
}: {
  letter: Detail;
  newest: boolean;
  onChange(newest: boolean): void;
}) {
  const [own, other] = letter.targets;
  if (!own || !other) return null;
  return (
    <ChoiceMenu
      label="Version that handles it"
      value={newest ? "newest" : "own"}
      onChange={(value) => onChange(value === "newest")}
      choices={[
        { value: "own", label: own.version, note: own.retired ? "opens it again" : "its own" },
        ...(other.problem ? [] : [{ value: "newest", label: other.version, note: "newest" }]),
      ]}
    />
  );
}

/** A patch of the letter's own fields, of which the first that is not the key is set as it is. */
function samplePatch(before: JsonObject | undefined, key: string | null): string {
  const name = Object.keys(before ?? {}).find((each) => each !== key && before?.[each] !== MASK);
  return name === undefined || before === undefined
    ? '{"field": 1}'
    : stringifyExact({ [name]: before[name] ?? null });
}

function changeOf(way: Way, letter: Detail, edited: string | undefined, patch: string): Change {
  if (way === "patch") return ["", NO_PATCH].includes(patch.trim()) ? undefined : { patch };
  return edited === undefined || edited === letter.data ? undefined : { edited };
}

function changeKey(change: Change): string {
  return JSON.stringify(change ?? null);
}

/** The value once it has not changed for a while. */
function useSettled<Value>(value: Value, ms: number): Value {
  const [settled, setSettled] = useState(value);
  const key = JSON.stringify(value);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the value
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [key, ms]);
  return settled;
}

function parseObject(text: string, kind: string): JsonObject | undefined {
  if (kind !== "json") return undefined;
  try {
    const value = parseExact(text) as Json;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
