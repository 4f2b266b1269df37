/** How is a stage inserted, rewired or removed? The answer is an edit of the text. */

import { type ReactNode, useId, useState } from "react";
import { send } from "@/api/client";
import { asProblem } from "@/api/problem";
import type { components } from "@/api/schema";
import { Dialog } from "@/ui/Dialog";
import { WriteButton } from "@/ui/WriteButton";
import type { Graph } from "./graphDifference";

type Edit = components["schemas"]["EditBody"]["edit"];

/** What is asked for. */
export type Asked =
  | { kind: "insert"; event: string; reader: string | undefined }
  | { kind: "rewire"; stage: string; event: string | undefined }
  | { kind: "remove"; stage: string };

interface EditDialogProps {
  asked: Asked;
  graph: Graph;
  functions: components["schemas"]["OfferedFunction"][];
  text: string;
  onClose(): void;
  onEdited(text: string): void;
}

/** The form for one edit; what the file cannot take is said in it. */
export function EditDialog(props: EditDialogProps) {
  const { asked, onClose } = props;
  const titles = {
    insert: asked.kind === "insert" && asked.reader ? "Insert a stage here" : "Add a stage here",
    rewire: asked.kind === "rewire" ? `Rewire ${asked.stage}` : "",
    remove: asked.kind === "remove" ? `Remove ${asked.stage}` : "",
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={titles[asked.kind]}
      about="The text is edited, nothing else; its comments stay."
    >
      {asked.kind === "insert" && <InsertForm {...props} asked={asked} />}
      {asked.kind === "rewire" && <RewireForm {...props} asked={asked} />}
      {asked.kind === "remove" && <RemoveForm {...props} asked={asked} />}
    </Dialog>
  );
}

type FormOf<Kind extends Asked["kind"]> = EditDialogProps & {
  asked: Extract<Asked, { kind: Kind }>;
};

function InsertForm(props: FormOf<"insert">) {
  const { asked, graph, functions } = props;
  const [stage, setStage] = useState("");
  const [emits, setEmits] = useState("");
  const [run, setRun] = useState("");
  const entity = asked.event.split(".")[0] ?? "event";
  const emitted = emits || (stage ? `${entity}.${stage.replaceAll("_", "-")}` : "");
  const { event, reader } = asked;
  return (
    <EditForm
      {...props}
      deed={`Insert ${stage || "the stage"}`}
      missing={stage ? undefined : "Name the stage first"}
      edit={{
        edit: "insert-stage",
        stage,
        event,
        reader: reader ?? null,
        emits: reader || emits ? emitted : null,
        run: run || null,
      }}
    >
      <div className="small soft">
        It subscribes to <b className="mono">{event}</b>
        {reader && (
          <>
            , and <b className="mono">{reader}</b> to what it emits
          </>
        )}
        .
      </div>
      <Field label="Stage" value={stage} onChange={setStage} placeholder="lowercase words" />
      <Field
        label={reader ? "Emits" : "Emits, if anything"}
        value={emits}
        onChange={setEmits}
        placeholder={reader ? emitted || "line.screened" : ""}
        offers={graph.events.map(({ name }) => name)}
      />
      <Field
        label="Function, if the package does not lead to it"
        value={run}
        onChange={setRun}
        placeholder="package.module:function"
        offers={functions.map((one) => one.run)}
      />
    </EditForm>
  );
}

function RewireForm(props: FormOf<"rewire">) {
  const { asked, graph } = props;
  const inputs = graph.stages.find(({ name }) => name === asked.stage)?.subscribes ?? [];
  const [old, setOld] = useState(asked.event ?? inputs[0] ?? "");
  const [now, setNow] = useState("");
  return (
    <EditForm
      {...props}
      deed={`Rewire ${asked.stage}`}
      missing={now ? undefined : "Name the event first"}
      edit={{ edit: "rewire", stage: asked.stage, old: old || null, new: now || null }}
    >
      <p>
        <label>
          <span>Instead of</span>
          <select className="select" value={old} onChange={(event) => setOld(event.target.value)}>
            {inputs.map((event) => (
              <option key={event}>{event}</option>
            ))}
            <option value="">nothing: one more input</option>
          </select>
        </label>
      </p>
      <Field
        label="It subscribes to"
        value={now}
        onChange={setNow}
        offers={graph.events.map(({ name }) => name).filter((name) => !inputs.includes(name))}
      />
    </EditForm>
  );
}

function RemoveForm(props: FormOf<"remove">) {
  const { asked, graph } = props;
  const [join, setJoin] = useState(true);
  const stage = graph.stages.find(({ name }) => name === asked.stage);
  const readers = graph.stages.filter((one) =>
    one.subscribes.some((event) => stage?.emits.includes(event)),
  );
  const joins = readers.length > 0 && join;
  return (
    <EditForm
      {...props}
      deed={`Remove ${asked.stage} from the text`}
      edit={{ edit: "remove-stage", stage: asked.stage, join: joins }}
    >
      {readers.length > 0 && (
        <p className="check-line">
          <label>
            <input type="checkbox" checked={join} onChange={() => setJoin(!join)} />{" "}
            {readers.map(({ name }) => name).join(", ")} then{" "}
            {readers.length === 1 ? "subscribes" : "subscribe"} to{" "}
            <span className="mono">{stage?.subscribes.join(", ")}</span>
          </label>
        </p>
      )}
      <p className="small soft">Nothing stops before the plan is applied.</p>
    </EditForm>
  );
}

function EditForm({
  text,
  edit,
  deed,
  missing,
  children,
  onClose,
  onEdited,
}: EditDialogProps & {
  edit: Edit;
  deed: string;
  missing?: string | undefined;
  children: ReactNode;
}) {
  const [refused, setRefused] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    try {
      const answer = await send("post", "/api/v1/topology/edits", { body: { text, edit } });
      onEdited(answer.text);
      onClose();
    } catch (error) {
      setRefused(asProblem(error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      className="confirm-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (missing === undefined && !busy) void submit();
      }}
    >
      {children}
      {refused && (
        <p className="tone-dead" role="alert">
          {refused}
        </p>
      )}
      <footer>
        <button type="button" className="btn" onClick={onClose}>
          Keep as it is
        </button>
        <WriteButton type="submit" kind="primary" needs="editor" refusal={missing} busy={busy}>
          {deed}
        </WriteButton>
      </footer>
    </form>
  );
}

function Field({
  label,
  value,
  onChange,
  placeholder = "",
  offers = [],
}: {
  label: string;
  value: string;
  onChange(value: string): void;
  placeholder?: string;
  offers?: readonly string[];
}) {
  const id = useId();
  return (
    <p>
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        className="input mono"
        value={value}
        placeholder={placeholder}
        autoComplete="off"
        spellCheck={false}
        list={offers.length ? `${id}-offers` : undefined}
        onChange={(event) => onChange(event.target.value)}
      />
      {offers.length > 0 && (
        <datalist id={`${id}-offers`}>
          {offers.map((offer) => (
            <option key={offer} value={offer} />
          ))}
        </datalist>
      )}
    </p>
  );
}
