/** How are data written by a form that their JSON Schema describes? */

import { LosslessNumber } from "lossless-json";
import { type ReactNode, useId, useMemo, useState } from "react";
import { parseExact, stringifyExact } from "@/api/exactJson";
import { classes } from "@/ui/classes";
import { Icon } from "@/ui/Icon";
import { SafeText } from "@/ui/JsonView";
import { useDraft } from "./drafts";
import {
  isIntegerText,
  isNumberText,
  isObject,
  type Json,
  type JsonObject,
  type Path,
  typeOf,
  withValueAt,
} from "./jsonValue";
import {
  alternatives,
  chosenAlternative,
  fieldsOf,
  findMisfits,
  firstValue,
  fromPlain,
  itemOf,
  type Misfit,
  otherMembers,
  resolve,
  type Schema,
  typesOf,
} from "./schema";
import "./schema-form.css";

interface SchemaFormProps {
  /** JSON Schema (2020-12); without one, the data are a field of JSON. */
  schema: Schema | null | undefined;
  value: Json;
  onChange(value: Json): void;
  /** What the server refuses, beside what the schema shows by itself. */
  problems?: readonly Misfit[];
  label: string;
}

/** A form for data; numbers keep their digits. The server decides what fits. */
export function SchemaForm({ schema, value, onChange, problems = [], label }: SchemaFormProps) {
  const root = schema ?? {};
  const top = useMemo(() => resolve(root, root), [root]);
  const misfits = useMemo(
    () => [...findMisfits(value, top, root), ...problems],
    [value, top, root, problems],
  );
  const form: Form = {
    root,
    misfits,
    change: (path, part) => onChange(withValueAt(value, path, part)),
  };
  return (
    <fieldset className="schema-form">
      <legend className="sr">{label}</legend>
      <Value form={form} schema={top} value={value} path={[]} depth={0} label={label} />
    </fieldset>
  );
}

interface Form {
  root: Schema;
  misfits: readonly Misfit[];
  /** Sets a part; undefined removes it. */
  change(path: Path, part: Json | undefined): void;
}

interface ValueProps {
  form: Form;
  schema: Schema;
  value: Json;
  path: Path;
  depth: number;
  label: string;
  id?: string;
}

const MAX_DEPTH = 12; // deeper data are written as JSON
const MAX_ROWS = 200; // members or items with a field of their own; more are written as JSON

function Value(props: ValueProps): ReactNode {
  const { form, schema, value, depth } = props;
  const choices = alternatives(schema, form.root);
  const size = Array.isArray(value)
    ? value.length
    : isObject(value)
      ? Object.keys(value).length
      : 0;
  if (depth > MAX_DEPTH || size > MAX_ROWS) return <RawField {...props} />;
  if (choices.length > 0) return <Alternatives {...props} choices={choices} />;
  if (Array.isArray(schema["enum"])) return <Choice {...props} choices={schema["enum"]} />;
  if ("const" in schema) return <Choice {...props} choices={[schema["const"]]} />;
  const types = typesOf(schema);
  if (types.length > 1) {
    const each = types.map((type) => ({ ...schema, type }));
    return <Alternatives {...props} choices={each} />;
  }
  const type = types[0] ?? (schema["properties"] ? "object" : undefined);
  if (type === "object" && isObject(value)) return <Members {...props} value={value} />;
  if (type === "array" && Array.isArray(value)) return <Items {...props} value={value} />;
  if (type === "boolean" && typeof value === "boolean") return <Flag {...props} value={value} />;
  if (type === "null" && value === null) return <span className="faint">null</span>;
  if (type === "string" && typeof value === "string") return <TextField {...props} value={value} />;
  if (type === "integer" || type === "number") {
    if (value instanceof LosslessNumber) return <NumberField {...props} value={value} />;
  }
  return <RawField {...props} />;
}

/** A row of a form: name, field, what does not fit. */
function Row({
  form,
  name,
  schema,
  path,
  required,
  children,
  actions,
  id,
  wide,
}: {
  form: Form;
  name: string;
  schema: Schema;
  path: Path;
  required?: boolean;
  children?: ReactNode;
  actions?: ReactNode;
  id: string;
  wide?: boolean;
}) {
  const wrong = form.misfits.filter((each) => samePath(each.location, path));
  const described = text(schema["description"]);
  return (
    <div className={classes("form-row", wide && "wide", wrong.length > 0 && "wrong")}>
      <label htmlFor={id}>
        <SafeText text={name} />
        {required && <span className="faint"> required</span>}
        {schema["personal"] === true && (
          <span className="faint" title="Personal">
            {" "}
            <Icon name="lock" />
          </span>
        )}
      </label>
      <div className="form-value">{children}</div>
      {actions && <div className="form-actions">{actions}</div>}
      {described && (
        <p className="form-note">
          <SafeText text={described} />
        </p>
      )}
      {wrong.map((each) => (
        <p key={each.message} className="form-wrong" role="alert">
          <Icon name="failed" /> <SafeText text={each.message} />
        </p>
      ))}
    </div>
  );
}

function Members({ form, schema, value, path, depth }: ValueProps & { value: JsonObject }) {
  const base = useId();
  const fields = fieldsOf(schema, form.root);
  const other = otherMembers(schema, form.root);
  const known = new Set(fields.map((field) => field.name));
  const left = fields.filter((field) => !Object.hasOwn(value, field.name));
  const more = Object.keys(value).filter((name) => !known.has(name));
  const row = (name: string, of: Schema, required: boolean, part: Json) => {
    const id = `${base}-${name}`;
    const nested = isObject(part) || Array.isArray(part);
    return (
      <Row
        key={name}
        form={form}
        id={id}
        name={name}
        schema={of}
        path={[...path, name]}
        required={required}
        wide={nested}
        actions={
          !required && (
            <RemoveButton of={name} onClick={() => form.change([...path, name], undefined)} />
          )
        }
      >
        <Value
          form={form}
          schema={of}
          value={part}
          path={[...path, name]}
          depth={depth + 1}
          label={name}
          id={id}
        />
      </Row>
    );
  };
  return (
    <div className={depth === 0 ? "form-members" : "form-members nested"}>
      {fields.map((field) => {
        const part = Object.hasOwn(value, field.name) ? value[field.name] : undefined;
        return part === undefined ? null : row(field.name, field.schema, field.required, part);
      })}
      {more.map((name) => {
        const part = value[name];
        return part === undefined ? null : row(name, other ?? {}, false, part);
      })}
      {left.length > 0 && (
        <p className="form-add">
          {left.map((field) => (
            <button
              key={field.name}
              type="button"
              className="btn plain"
              title={text(field.schema["description"])}
              onClick={() =>
                form.change([...path, field.name], firstValue(field.schema, form.root))
              }
            >
              <Icon name="plus" />
              <SafeText text={field.name} />
            </button>
          ))}
        </p>
      )}
      {left
        .filter((field) => field.required)
        .map((field) => (
          <p key={field.name} className="form-wrong" role="alert">
            <Icon name="failed" /> {field.name} is required
          </p>
        ))}
      {other && (
        <AddMember
          taken={value}
          onAdd={(name) => form.change([...path, name], firstValue(other, form.root))}
        />
      )}
    </div>
  );
}

function AddMember({ taken, onAdd }: { taken: JsonObject; onAdd(name: string): void }) {
  const [name, setName] = useState("");
  const id = useId();
  const add = () => {
    if (!name || Object.hasOwn(taken, name)) return;
    onAdd(name);
    setName("");
  };
  return (
    <p className="form-add">
      <label htmlFor={id} className="sr">
        Name of another field
      </label>
      <input
        id={id}
        className="input"
        placeholder="another field"
        value={name}
        onChange={(event) => setName(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          add();
        }}
      />
      <button type="button" className="btn plain" onClick={add}>
        <Icon name="plus" />
        Add
      </button>
    </p>
  );
}

function Items({ form, schema, value, path, depth, label }: ValueProps & { value: Json[] }) {
  const base = useId();
  return (
    <div className="form-members nested">
      {value.map((item, index) => (
        <Row
          key={index}
          form={form}
          id={`${base}-${index}`}
          name={`${index + 1}`}
          schema={{}}
          path={[...path, index]}
          wide={isObject(item) || Array.isArray(item)}
          actions={
            <RemoveButton
              of={`item ${index + 1}`}
              onClick={() => form.change([...path, index], undefined)}
            />
          }
        >
          <Value
            form={form}
            schema={itemOf(schema, form.root, index)}
            value={item}
            path={[...path, index]}
            depth={depth + 1}
            label={`${label} ${index + 1}`}
            id={`${base}-${index}`}
          />
        </Row>
      ))}
      <p className="form-add">
        <button
          type="button"
          className="btn plain"
          onClick={() =>
            form.change(
              [...path, value.length],
              firstValue(itemOf(schema, form.root, value.length), form.root),
            )
          }
        >
          <Icon name="plus" />
          Add to {label}
        </button>
      </p>
    </div>
  );
}

function RemoveButton({ of, onClick }: { of: string; onClick(): void }) {
  return (
    <button
      type="button"
      className="btn plain"
      aria-label={`Remove ${of}`}
      title={`Remove ${of}`}
      onClick={onClick}
    >
      <Icon name="close" />
    </button>
  );
}

function Alternatives(props: ValueProps & { choices: Schema[] }) {
  const { form, value, path, choices, depth, label, id } = props;
  const [picked, setPicked] = useState<number | undefined>(undefined);
  const own = chosenAlternative(value, choices, form.root);
  const chosen = picked ?? own;
  const schema = choices[chosen] ?? {};
  return (
    <div className="form-alternatives">
      <select
        className="select"
        aria-label={`Kind of ${label}`}
        value={chosen}
        onChange={(event) => {
          const next = Number(event.target.value);
          setPicked(next);
          form.change(path, firstValue(choices[next] ?? {}, form.root));
        }}
      >
        {choices.map((choice, index) => (
          <option key={index} value={index}>
            {text(choice["title"]) ?? typesOf(choice).join(" or ") ?? `kind ${index + 1}`}
          </option>
        ))}
      </select>
      {typesOf(schema)[0] !== "null" && (
        <Value
          form={form}
          schema={schema}
          value={value}
          path={path}
          depth={depth + 1}
          label={label}
          {...(id ? { id } : {})}
        />
      )}
    </div>
  );
}

function Choice({ form, value, path, choices, id, label }: ValueProps & { choices: unknown[] }) {
  const texts = choices.map((each) => stringifyExact(fromPlain(each)));
  const own = stringifyExact(value);
  return (
    <select
      id={id}
      className="select"
      aria-label={label}
      value={own}
      onChange={(event) => form.change(path, parseExact(event.target.value) as Json)}
    >
      {!texts.includes(own) && <option value={own}>{own}</option>}
      {texts.map((each, index) => (
        <option key={each} value={each}>
          {typeof choices[index] === "string" ? String(choices[index]) : each}
        </option>
      ))}
    </select>
  );
}

function Flag({ form, value, path, id, label }: ValueProps & { value: boolean }) {
  return (
    <select
      id={id}
      className="select"
      aria-label={label}
      value={String(value)}
      onChange={(event) => form.change(path, event.target.value === "true")}
    >
      <option value="true">true</option>
      <option value="false">false</option>
    </select>
  );
}

function TextField({ form, schema, value, path, id, label }: ValueProps & { value: string }) {
  const long = value.includes("\n") || value.length > 80 || Number(schema["maxLength"] ?? 0) > 200;
  const hint = text(schema["format"]) ?? text(schema["pattern"]);
  const shared = {
    id,
    "aria-label": label,
    spellCheck: false,
    value,
    title: hint,
    placeholder: formatExamples[text(schema["format"]) ?? ""],
  };
  if (long)
    return (
      <textarea
        {...shared}
        className="input"
        rows={Math.min(8, value.split("\n").length + 1)}
        onChange={(event) => form.change(path, event.target.value)}
      />
    );
  return (
    <input
      {...shared}
      className="input"
      onChange={(event) => form.change(path, event.target.value)}
    />
  );
}

/** What a text of a format looks like; a browser's own fields would change what they do not know. */
const formatExamples: Record<string, string> = {
  "date-time": "2026-12-24T18:00:00Z",
  date: "2026-12-24",
  time: "18:00:00Z",
  duration: "PT1M",
  uuid: "123e4567-e89b-12d3-a456-426614174000",
  email: "ann@example.com",
  uri: "https://example.com/",
};

function NumberField({
  form,
  schema,
  value,
  path,
  id,
  label,
}: ValueProps & { value: LosslessNumber }) {
  const [draft, setDraft] = useState<string | undefined>(undefined);
  const whole = typesOf(schema)[0] === "integer";
  const fits = (written: string) => (whole ? isIntegerText(written) : isNumberText(written));
  const wrong = draft !== undefined && !fits(draft);
  const must = whole ? "must be a whole number" : "must be a number";
  useDraft(wrong ? `${label} ${must}` : undefined);
  return (
    <>
      <input
        id={id}
        className="input num-field"
        aria-label={label}
        inputMode={whole ? "numeric" : "decimal"}
        value={draft ?? value.value}
        onChange={(event) => {
          const written = event.target.value.trim();
          setDraft(written);
          if (fits(written)) form.change(path, new LosslessNumber(written));
        }}
        onBlur={() => draft !== undefined && fits(draft) && setDraft(undefined)}
      />
      {wrong && (
        <span className="form-wrong" role="alert">
          <Icon name="failed" /> {must}; it is still {value.value}
        </span>
      )}
    </>
  );
}

/** What no other field can write: JSON. */
function RawField({ form, value, path, id, label }: ValueProps) {
  const [draft, setDraft] = useState<string | undefined>(undefined);
  const written = draft ?? stringifyExact(value, 2);
  const [wrong, setWrong] = useState<string | undefined>(undefined);
  useDraft(wrong === undefined ? undefined : `${label} is no JSON`);
  return (
    <>
      <textarea
        id={id}
        className="input mono"
        aria-label={`${label} as JSON`}
        spellCheck={false}
        rows={Math.min(12, written.split("\n").length)}
        value={written}
        onChange={(event) => {
          setDraft(event.target.value);
          try {
            form.change(path, parseExact(event.target.value) as Json);
            setWrong(undefined);
          } catch (error) {
            setWrong(error instanceof Error ? error.message : String(error));
          }
        }}
        onBlur={() => wrong === undefined && setDraft(undefined)}
      />
      {wrong && (
        <span className="form-wrong" role="alert">
          <Icon name="failed" /> {wrong}; it is still {typeOf(value)}
        </span>
      )}
    </>
  );
}

function samePath(one: Path, other: Path): boolean {
  return one.length === other.length && one.every((step, index) => step === other[index]);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
