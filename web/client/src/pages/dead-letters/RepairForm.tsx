/** How are the fields of a letter changed one by one? */

import { LosslessNumber } from "lossless-json";
import { type ReactNode, useId, useMemo } from "react";
import { stringifyExact } from "@/api/exactJson";
import {
  isIntegerText,
  isNumberText,
  isObject,
  type Json,
  type JsonObject,
} from "@/forms/jsonValue";
import { SchemaForm } from "@/forms/SchemaForm";
import { fieldsOf, firstValue, resolve, type Schema, typesOf } from "@/forms/schema";
import { classes } from "@/ui/classes";
import { Icon } from "@/ui/Icon";
import { SafeText } from "@/ui/JsonView";

export const MASK = "•••";

interface RepairFormProps {
  schema: Schema | null;
  /** The field that is the event's key. */
  keyField: string | null;
  before: JsonObject;
  value: JsonObject;
  onChange(value: JsonObject): void;
}

/** A row for each field: its name, its value, what it must be, and what it was. */
export function RepairForm({ schema, keyField, before, value, onChange }: RepairFormProps) {
  const root = schema ?? {};
  const fields = useMemo(() => {
    const known = fieldsOf(resolve(root, root), root);
    const order = known.map((field) => field.name);
    const more = Object.keys(value).filter((name) => !order.includes(name));
    const names = [...order.filter((name) => Object.hasOwn(value, name)), ...more];
    return { known: new Map(known.map((field) => [field.name, field])), names, order };
  }, [root, value]);
  const change = (name: string, part: Json | undefined) => {
    const entries = Object.entries(value).filter(([each]) => each !== name || part !== undefined);
    const at = entries.findIndex(([each]) => each === name);
    if (part !== undefined)
      entries.splice(at < 0 ? entries.length : at, at < 0 ? 0 : 1, [name, part]);
    onChange(Object.fromEntries(entries));
  };
  const missing = fields.order.filter((name) => !Object.hasOwn(value, name));
  return (
    <form className="fields" onSubmit={(event) => event.preventDefault()}>
      {fields.names.map((name) => {
        const field = fields.known.get(name);
        return (
          <FieldRow
            key={name}
            name={name}
            schema={field ? resolve(field.schema, root) : {}}
            root={root}
            known={field !== undefined || !schema}
            isKey={name === keyField}
            before={Object.hasOwn(before, name) ? before[name] : undefined}
            value={value[name] ?? null}
            onChange={(part) => change(name, part)}
          />
        );
      })}
      {missing.map((name) => (
        <div className="field" key={name}>
          <span className="soft">
            <SafeText text={name} />
          </span>
          <button
            type="button"
            className="btn plain"
            onClick={() => change(name, firstValue(fields.known.get(name)?.schema ?? {}, root))}
          >
            <Icon name="plus" />
            Add
          </button>
          <span className="hint">
            {fields.known.get(name)?.required ? (
              <b className="tone-dead">missing</b>
            ) : (
              hintOf(resolve(fields.known.get(name)?.schema ?? {}, root))
            )}
          </span>
        </div>
      ))}
    </form>
  );
}

interface FieldRowProps {
  name: string;
  schema: Schema;
  root: Schema;
  known: boolean;
  isKey: boolean;
  before: Json | undefined;
  value: Json;
  onChange(value: Json | undefined): void;
}

function FieldRow(props: FieldRowProps) {
  const { name, schema, root, known, isKey, before, value, onChange } = props;
  const id = useId();
  const changed = stringifyExact(before ?? null) !== stringifyExact(value) || before === undefined;
  const masked = value === MASK;
  if (isObject(value) || Array.isArray(value))
    return (
      <div className={classes("field", "nested", changed && "changed")}>
        <span className="field-name">
          <SafeText text={name} />
        </span>
        <SchemaForm
          label={name}
          schema={{ ...schema, $defs: root["$defs"] }}
          value={value}
          onChange={onChange}
        />
      </div>
    );
  return (
    <div className={classes("field", changed && "changed")}>
      <label htmlFor={id}>
        <SafeText text={name} />
      </label>
      <ScalarField
        id={id}
        value={value}
        schema={schema}
        readOnly={isKey || masked}
        onChange={onChange}
      />
      <span className="hint">
        <Hint {...props} masked={masked} changed={changed} />
        {!known && !isKey && (
          <button
            type="button"
            className="btn plain tiny"
            aria-label={`Remove ${name}`}
            title={`Remove ${name}`}
            onClick={() => onChange(undefined)}
          >
            <Icon name="close" />
          </button>
        )}
      </span>
    </div>
  );
}

function Hint(props: FieldRowProps & { masked: boolean; changed: boolean }): ReactNode {
  const { schema, isKey, before, masked, changed, known } = props;
  if (isKey || masked)
    return (
      <>
        <Icon name="lock" /> {[isKey && "key", masked && "personal"].filter(Boolean).join(", ")}
      </>
    );
  const hint = known ? hintOf(schema) : "not in the schema";
  if (!changed) return <span title={hint}>{hint}</span>;
  return (
    <>
      <b className="tone-flight">{before === undefined ? "added" : `was ${written(before)}`}</b>
      {hint && `, ${hint}`}
    </>
  );
}

function ScalarField({
  id,
  value,
  schema,
  readOnly,
  onChange,
}: {
  id: string;
  value: Json;
  schema: Schema;
  readOnly: boolean;
  onChange(value: Json): void;
}) {
  const types = typesOf(schema);
  const isText = typeof value === "string" && !types.includes("integer");
  const numeric = value instanceof LosslessNumber;
  return (
    <input
      id={id}
      className={classes("input", isText && "as-text")}
      readOnly={readOnly}
      spellCheck={false}
      value={written(value)}
      {...(numeric ? { inputMode: "decimal" as const } : {})}
      onChange={(event) => onChange(typed(event.target.value, value, schema))}
    />
  );
}

/** What somebody has typed, as the schema or the value before has it; else a text. */
function typed(text: string, before: Json, schema: Schema): Json {
  const types = typesOf(schema);
  const number = types.includes("integer") || types.includes("number");
  if ((number || before instanceof LosslessNumber) && !types.includes("string")) {
    if (isIntegerText(text) || isNumberText(text)) return new LosslessNumber(text);
    return text; // the server says that it does not fit
  }
  if (typeof before === "boolean" || types.includes("boolean")) {
    if (text === "true" || text === "false") return text === "true";
    if (!types.includes("string")) return text;
  }
  if (text === "null" && (before === null || types.includes("null"))) return null;
  return text;
}

function written(value: Json): string {
  if (typeof value === "string") return value;
  return value instanceof LosslessNumber ? value.value : stringifyExact(value);
}

/** What a field must be, in few words: `1 to 53`, `at least 0`, `integer`. */
export function hintOf(schema: Schema): string {
  const { minimum, maximum, description } = schema as Record<string, unknown>;
  const options = schema["enum"];
  if (Array.isArray(options)) return options.map(String).join(", ");
  const range =
    minimum !== undefined && maximum !== undefined
      ? `${minimum} to ${maximum}`
      : minimum !== undefined
        ? `at least ${minimum}`
        : maximum !== undefined
          ? `at most ${maximum}`
          : "";
  if (typeof description === "string" && description) return description;
  return range || typesOf(schema).join(" or ");
}
