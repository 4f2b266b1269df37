/** Trigger a run: choose a root, write its data, have its readers check them, publish it. */

import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { get, send } from "@/api/client";
import { asProblem } from "@/api/problem";
import type { components } from "@/api/schema";
import { DataField, readJson } from "@/forms/DataField";
import { Drafts, useDrafts } from "@/forms/drafts";
import type { Misfit, Schema } from "@/forms/schema";
import { PageHead } from "@/layout/PageHead";
import { usePipelines } from "@/navigation/pipelines";
import { useFilters } from "@/navigation/search";
import { CopyCommand } from "@/ui/CopyCommand";
import { SafeText } from "@/ui/JsonView";
import { ChoiceMenu } from "@/ui/Menu";
import { Empty, ErrorNote, Loading, sentence } from "@/ui/PageStates";
import { State } from "@/ui/State";
import { WriteButton } from "@/ui/WriteButton";
import { triggerCommand } from "./triggerCommand";
import "./trigger.css";

type TriggerForm = components["schemas"]["TriggerForm"];
type TriggerForms = components["schemas"]["TriggerForms"];
type DataCheck = components["schemas"]["DataCheckResult"];

export default function TriggerPage() {
  const [{ pipeline, event }, change] = useFilters();
  const pipelines = usePipelines();
  const asked = useQuery({
    queryKey: ["trigger", pipeline],
    queryFn: ({ signal }) =>
      get("/api/v1/trigger", { query: pipeline ? { pipeline } : {}, signal }),
  });
  const forms = asked.data;
  const form = forms?.events.find((each) => each.event_type === event) ?? forms?.events[0];
  return (
    <>
      <PageHead
        title="Trigger a run"
        crumb={<Link to="/runs">Runs</Link>}
        actions={
          <>
            {(pipelines.data?.length ?? 0) > 1 && forms && (
              <ChoiceMenu
                label="Pipeline"
                value={forms.pipeline}
                choices={(pipelines.data ?? []).map((each) => ({
                  value: each.pipeline,
                  label: each.pipeline,
                }))}
                onChange={(next) => change({ pipeline: next, event: undefined })}
              />
            )}
            {forms && forms.events.length > 1 && form && (
              <ChoiceMenu
                label="Root"
                value={form.event_type}
                choices={forms.events.map((each) => ({
                  value: each.event_type,
                  label: each.event_type,
                }))}
                onChange={(next) => change({ event: next })}
              />
            )}
          </>
        }
      />
      {asked.isPending && <Loading />}
      {asked.isError && (
        <ErrorNote
          error={asked.error}
          what="What can be triggered"
          onRetry={() => void asked.refetch()}
        />
      )}
      {forms && !form && (
        <Empty title={`Nothing of ${forms.pipeline} can be triggered`}>
          A run begins with an event that no stage emits and that some stage reads. The version in
          force has none.
        </Empty>
      )}
      {forms && form && (
        <Writing key={`${forms.pipeline} ${form.event_type}`} forms={forms} form={form} />
      )}
    </>
  );
}

function Writing({ forms, form }: { forms: TriggerForms; form: TriggerForm }) {
  const navigate = useNavigate();
  const [{ view }, change] = useFilters();
  const kept = `farandole.trigger.${forms.pipeline}.${form.event_type}`;
  const [text, setText] = useState(() => read(kept) ?? form.sample);
  const [key, setKey] = useState("");
  useEffect(() => write(kept, text), [kept, text]);
  const body = {
    pipeline: forms.pipeline,
    event_type: form.event_type,
    data: text,
    ...(key ? { key } : {}),
  };
  const check = useMutation({
    mutationFn: () => send("post", "/api/v1/trigger/check", { body }),
  });
  const trigger = useMutation({
    mutationFn: () => send("post", "/api/v1/trigger", { body }),
    onSuccess: (made) => {
      write(kept, null);
      void navigate({ to: "/runs/$run", params: { run: made.run } });
    },
    onError: (error) => {
      if (asProblem(error).code === "data_invalid") check.mutate(); // it says each problem, and where
    },
  });
  const edit = (next: string) => {
    setText(next);
    check.reset();
    trigger.reset();
  };
  const found = check.data;
  const { drafts, hold } = useDrafts();
  const refusal = "value" in readJson(text) ? drafts[0] : "What is written is no JSON";
  return (
    <div className="work trigger-work">
      <section className="canvas trigger-form">
        <Drafts hold={hold}>
          <DataField
            label={form.event_type}
            schema={form.data_schema as Schema | null}
            text={text}
            onChange={edit}
            problems={misfitsOf(found)}
            view={view === "json" ? "json" : "form"}
            onView={(next) =>
              change({ view: next === "json" ? "json" : undefined }, { replace: true })
            }
            onSubmit={() => refusal === undefined && check.mutate()}
          />
        </Drafts>
      </section>
      <aside className="side wide-side" aria-label="What is published">
        <section className="first">
          <h3>What is published</h3>
          <dl className="lines">
            <div>
              <dt>event</dt>
              <dd className="medium">{form.event_type}</dd>
            </div>
            <div>
              <dt>version</dt>
              <dd>
                <Link
                  className="link"
                  to="/pipelines/$pipeline"
                  params={{ pipeline: forms.pipeline }}
                >
                  {forms.pipeline}@{forms.version}
                </Link>
              </dd>
            </div>
            <div>
              <dt>read by</dt>
              <dd>{form.readers.join(", ")}</dd>
            </div>
          </dl>
          <div className="trigger-key">
            <label htmlFor="trigger-key" className="label">
              Key{form.key && <>, else the field {form.key}</>}
            </label>
            <input
              id="trigger-key"
              className="input mono"
              value={key}
              placeholder={form.key ? `${form.key} of the data` : "none"}
              onChange={(event) => setKey(event.target.value)}
            />
          </div>
        </section>
        <section>
          <div className="trigger-deeds">
            <button
              type="button"
              className="btn"
              disabled={check.isPending || refusal !== undefined}
              title={refusal}
              onClick={() => check.mutate()}
            >
              {check.isPending ? "Checking…" : "Check"}
            </button>
            <WriteButton
              kind="primary"
              icon="play"
              busy={trigger.isPending}
              refusal={refusal}
              onClick={() => trigger.mutate()}
            >
              {trigger.isPending ? "Triggering…" : "Trigger 1 run"}
            </WriteButton>
          </div>
          <p className="small faint">
            Its readers’ functions check the data before anything is published.
          </p>
          <CheckResult found={found} error={check.error} readers={form.readers} />
          {trigger.isError && asProblem(trigger.error).code !== "data_invalid" && (
            <ErrorNote error={trigger.error} what="The run" />
          )}
        </section>
        <section>
          <h3>The same by command</h3>
          <CopyCommand command={triggerCommand(form.event_type, text)} />
        </section>
      </aside>
    </div>
  );
}

function CheckResult({
  found,
  error,
  readers,
}: {
  found: DataCheck | undefined;
  error: unknown;
  readers: readonly string[];
}) {
  if (error) return <p className="form-wrong">{sentence(asProblem(error).message)}</p>;
  if (!found) return null;
  if (found.valid)
    return (
      <p className="trigger-result" role="status">
        <State of="passed">{readers.join(", ")} would take it</State>
      </p>
    );
  return (
    <ul className="trigger-result" role="alert">
      {found.problems.map((problem, index) => (
        <li key={index}>
          <State of="refused">{problem.stage ? `refused by ${problem.stage}` : "no JSON"}</State>
          <p className="small">
            {problem.location.length > 0 && <code>{problem.location.join(".")}</code>}{" "}
            <SafeText text={problem.message} />
          </p>
        </li>
      ))}
    </ul>
  );
}

function misfitsOf(found: DataCheck | undefined): Misfit[] {
  return (found?.problems ?? []).map(({ location, message }) => ({ location, message }));
}

function read(name: string): string | null {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Keeps what is written until it is published, as long as the tab is open; null forgets it. */
function write(name: string, text: string | null): void {
  try {
    if (text === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, text);
  } catch {
    // a private window, or too much text: then it is not kept
  }
}
