/** The page “Editor”: the topology file as text, its graph, what would change, and its history. */

import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useCallback, useMemo, useRef, useState } from "react";
import { type AnswerOf, get } from "@/api/client";
import { useSession } from "@/api/me";
import { asProblem } from "@/api/problem";
import { useKeys } from "@/keyboard/keys";
import { PageHead } from "@/layout/PageHead";
import { Banner } from "@/ui/Banner";
import { Age } from "@/ui/figures";
import { Empty, ErrorNote, Loading } from "@/ui/PageStates";
import { State } from "@/ui/State";
import { WriteButton } from "@/ui/WriteButton";
import { type Asked, EditDialog } from "./EditDialog";
import { FindingsList } from "./FindingsList";
import type { Finding, Remedy } from "./findingNotes";
import { GraphSection } from "./GraphSection";
import { PlanPanel } from "./PlanPanel";
import { type RollbackAnswer, RollbackDialog } from "./RollbackDialog";
import type { Schema } from "./topologySchema";
import { useDraft } from "./useDraft";
import { useLint } from "./useLint";
import { usePlanning } from "./usePlanning";
import { numberOf, VersionHistory } from "./VersionHistory";
import { YamlEditor, type YamlEditorHandle } from "./YamlEditor";
import "./editor.css";

type FileState = AnswerOf<"/api/v1/topology/file", "get">;

/** So often the file is looked at, for somebody else may save it. */
const FILE_MS = 10_000;

export default function EditorPage() {
  const { pipeline } = useParams({ strict: false });
  const file = useQuery({
    queryKey: ["topology", "file"],
    queryFn: ({ signal }) => get("/api/v1/topology/file", { signal }),
    refetchInterval: FILE_MS,
    refetchOnWindowFocus: "always",
  });
  if (file.isPending)
    return (
      <>
        <PageHead title="topology.yaml" />
        <Loading rows={16} label="The file" />
      </>
    );
  if (file.isError && !file.data) {
    const missing = asProblem(file.error).fields["missing"] === true;
    return (
      <>
        <PageHead title="topology.yaml" />
        {missing ? (
          <Empty
            title="There is no topology.yaml in the console’s folder"
            commands={["farandole init"]}
          >
            A new pipeline, or the folder of one that there is:
          </Empty>
        ) : (
          <ErrorNote error={file.error} what="topology.yaml" onRetry={() => void file.refetch()} />
        )}
      </>
    );
  }
  const own = file.data.graph?.pipeline;
  if (own !== undefined && pipeline !== undefined && pipeline !== own)
    return <OtherPipeline pipeline={pipeline} own={own} />;
  return (
    <Editor key={file.data.path} file={file.data} pipeline={own ?? pipeline ?? "the pipeline"} />
  );
}

/** A pipeline whose file the console does not have. */
function OtherPipeline({ pipeline, own }: { pipeline: string; own: string }) {
  const versions = useVersions(pipeline);
  const [rolling, setRolling] = useState(false);
  return (
    <>
      <PageHead
        title={pipeline}
        actions={<RollbackButton versions={versions.data} onClick={() => setRolling(true)} />}
      />
      <Empty title="Its file is not here">
        This console has the file of {own}. Edit that of {pipeline} where it is kept, or start a
        console there. Its versions can be rolled back from here.
      </Empty>
      <HistorySection versions={versions} />
      {rolling && versions.data && (
        <RollbackDialog
          pipeline={pipeline}
          versions={versions.data}
          onClose={() => setRolling(false)}
          onDone={() => setRolling(false)}
        />
      )}
    </>
  );
}

function Editor({ file, pipeline }: { file: FileState; pipeline: string }) {
  const draft = useDraft(file);
  const text = useRef<YamlEditorHandle>(null);
  const [cursor, setCursor] = useState({ line: 1, column: 1 });
  const [asked, setAsked] = useState<Asked>();
  const [rolling, setRolling] = useState(false);
  const [rolledBack, setRolledBack] = useState<RollbackAnswer>();
  const role = useRole();
  const lint = useLint(draft.text, role === "editor");
  const viewer = role !== undefined && role !== "editor";
  const planning = usePlanning(draft);
  const versions = useVersions(pipeline);
  const inForce = useQuery({
    queryKey: ["topology", pipeline, "graph"],
    queryFn: ({ signal }) =>
      get("/api/v1/topology/{pipeline}/graph", { path: { pipeline }, signal }),
  });
  const offered = useQuery({
    queryKey: ["topology", "completion"],
    queryFn: ({ signal }) => get("/api/v1/topology/completion", { signal }),
    refetchInterval: 60_000,
  });
  const graph = lint.found?.graph ?? file.graph ?? undefined;
  const known = useMemo(
    () =>
      offered.data && {
        schema: offered.data.json_schema as Schema,
        functions: offered.data.functions,
        graph,
      },
    [offered.data, graph],
  );
  const findings = lint.found?.findings ?? none;
  const errors = findings.filter(({ severity }) => severity !== "warning").length;
  const newest = versions.data?.[0];
  const remedies = useRemedies(draft.text, draft.edit);
  const refusal = draft.conflict
    ? "Decide first what becomes of the draft: the file was saved by somebody else"
    : errors > 0
      ? "Correct the errors first"
      : undefined;
  const plan = () => {
    if (!viewer && refusal === undefined && planning.busy === undefined) planning.make();
  };
  useKeys([
    { key: "F8", does: "next finding", run: () => text.current?.nextFinding(), inFields: true },
    { key: "Ctrl+Enter", does: "plan", run: plan },
  ]);
  const onCursor = useCallback((line: number, column: number) => setCursor({ line, column }), []);
  return (
    <>
      <PageHead
        title="topology.yaml"
        heading={file.path.split("/").at(-1)}
        actions={
          <>
            <FindingCounts findings={findings} pending={lint.pending} viewer={viewer} />
            {draft.changed && (
              <button type="button" className="btn plain" onClick={draft.discard}>
                Discard draft
              </button>
            )}
            <RollbackButton versions={versions.data} onClick={() => setRolling(true)} />
          </>
        }
      >
        <p className="small soft">
          {draft.changed ? "Draft" : "As it is saved"}
          {newest && (
            <>
              , {draft.changed ? "from" : "beside"}{" "}
              <b className="strong">@{numberOf(newest.version)}</b>
            </>
          )}
          <br />
          <span className="faint">
            {draft.changed ? (
              <>
                kept here <Age since={draft.at} /> ago; nothing is in force yet
              </>
            ) : (
              <>
                saved <Age since={file.saved} /> ago
                {file.followed_by && <>; a router follows it</>}
              </>
            )}
          </span>
        </p>
      </PageHead>
      {draft.conflict && <Conflict onTake={draft.discard} onKeep={draft.rebase} />}
      {rolledBack?.file_differs && !draft.changed && (
        <Banner
          icon="warning"
          title={`${rolledBack.version} is in force, and the file says something else.`}
        >
          The next save of the file applies it again: edit it to say the same, or plan it.
        </Banner>
      )}
      {viewer && (
        <Banner icon="lock" title="You may look at the file, and not change it.">
          That needs the role editor.
        </Banner>
      )}

      <Jumps />
      <div className="two">
        <section className="text" id="text" aria-label="Text">
          <YamlEditor
            ref={text}
            text={draft.text}
            saved={draft.base}
            findings={findings}
            remedies={remedies}
            known={known}
            readOnly={viewer}
            onChange={draft.edit}
            onPlan={plan}
            onCursor={onCursor}
          />
          <p className="foot">
            <span>
              Line {cursor.line}, column {cursor.column}
            </span>
            <span className="keys wide-only">
              <kbd>Ctrl Space</kbd> complete, <kbd>F8</kbd> next finding, <kbd>Ctrl Enter</kbd> plan
            </span>
          </p>
        </section>
        <div className="right-col">
          {findings.length > 1 && (
            <FindingsList
              findings={findings}
              onOpen={({ line, column }) => text.current?.goTo(line, column)}
            />
          )}
          <GraphSection
            before={inForce.data ?? undefined}
            draft={graph}
            plan={planning.plan}
            inForce={newest?.version}
            canEdit={!viewer}
            onAsk={setAsked}
            onGoTo={(line) => text.current?.goTo(line, 1)}
          />
          {!viewer && <PlanPanel planning={planning} pipeline={pipeline} refusal={refusal} />}
          <HistorySection versions={versions} />
        </div>
      </div>
      {asked && graph && (
        <EditDialog
          asked={asked}
          graph={graph}
          functions={offered.data?.functions ?? []}
          text={draft.text}
          onClose={() => setAsked(undefined)}
          onEdited={draft.edit}
        />
      )}
      {rolling && versions.data && (
        <RollbackDialog
          pipeline={pipeline}
          versions={versions.data}
          onClose={() => setRolling(false)}
          onDone={(answer) => {
            setRolling(false);
            setRolledBack(answer);
          }}
        />
      )}
    </>
  );
}

const none: Finding[] = [];

/** On a narrow screen: where the parts of the page are. */
function Jumps() {
  const [at, setAt] = useState("text");
  const parts = { text: "Text", diff: "Graph", plan: "Plan" };
  return (
    <nav className="jump narrow-only" aria-label="Parts">
      <div className="seg">
        {Object.entries(parts).map(([id, label]) => (
          <a
            key={id}
            href={`#${id}`}
            aria-current={id === at ? "true" : undefined}
            onClick={() => setAt(id)}
          >
            {label}
          </a>
        ))}
      </div>
    </nav>
  );
}

/** What this person may do; undefined until it is known. Who may not lint does not ask for it. */
function useRole() {
  const session = useSession();
  return session.isError ? "editor" : session.data?.role;
}

function useVersions(pipeline: string) {
  return useQuery({
    queryKey: ["topology", pipeline, "versions"],
    queryFn: ({ signal }) =>
      get("/api/v1/topology/{pipeline}/versions", { path: { pipeline }, signal }),
    refetchInterval: 15_000,
  });
}

/** Deeds for findings that an edit mends. */
function useRemedies(text: string, edit: (text: string) => void) {
  const latest = useRef(text);
  latest.current = text;
  return useCallback(
    (finding: Finding): Remedy[] => {
      const line = latest.current.split("\n")[finding.line - 1];
      if (finding.code !== "unconnected_events" || finding.severity !== "warning") return [];
      if (line === undefined || !/^\s+[\w.-]+:.*[^{[,]\s*$/.test(line)) return [];
      return [
        {
          label: `Delete line ${finding.line}`,
          run: () =>
            edit(
              latest.current
                .split("\n")
                .filter((_, index) => index !== finding.line - 1)
                .join("\n"),
            ),
        },
      ];
    },
    [edit],
  );
}

function FindingCounts({
  findings,
  pending,
  viewer,
}: {
  findings: readonly Finding[];
  pending: boolean;
  viewer: boolean;
}) {
  if (viewer) return null;
  const warnings = findings.filter(({ severity }) => severity === "warning").length;
  const errors = findings.length - warnings;
  return (
    <span className="counts wide-only" aria-live="polite">
      {warnings > 0 && (
        <State of="warned">
          {warnings} {warnings === 1 ? "warning" : "warnings"}
        </State>
      )}
      {errors > 0 ? (
        <State of="failed">
          {errors} {errors === 1 ? "error" : "errors"}
        </State>
      ) : (
        <State of="handled" tone="quiet">
          {pending ? "checking" : "no error"}
        </State>
      )}
    </span>
  );
}

function RollbackButton({
  versions,
  onClick,
}: {
  versions: readonly unknown[] | undefined;
  onClick(): void;
}) {
  const few = (versions?.length ?? 0) < 2;
  return (
    <WriteButton
      needs="editor"
      icon="again"
      refusal={few ? "There is no earlier version" : undefined}
      onClick={onClick}
    >
      Roll back…
    </WriteButton>
  );
}

function Conflict({ onTake, onKeep }: { onTake(): void; onKeep(): void }) {
  return (
    <Banner
      title="Somebody else has saved the file since this draft was begun."
      actions={
        <span className="conflict">
          <button type="button" className="btn" onClick={onKeep}>
            Compare with theirs
          </button>
          <button type="button" className="btn" onClick={onTake}>
            Take theirs, drop the draft
          </button>
        </span>
      }
    >
      Nothing of theirs is overwritten before you decide.
    </Banner>
  );
}

function HistorySection({ versions }: { versions: ReturnType<typeof useVersions> }) {
  const missing = asProblem(versions.error).code === "nothing_applied";
  return (
    <section className="sect" id="history" aria-label="History">
      <div className="sect-head">
        <h2>History</h2>
      </div>
      {versions.data ? (
        <VersionHistory versions={versions.data} />
      ) : missing ? (
        <p className="soft">Nothing was ever applied.</p>
      ) : versions.isError ? (
        <ErrorNote error={versions.error} what="The history" />
      ) : (
        <Loading rows={3} label="The history" />
      )}
    </section>
  );
}
