/** How are data written: by a form, or as JSON? */

import { lazy, Suspense } from "react";
import { parseExact, stringifyExact } from "@/api/exactJson";
import { Loading } from "@/ui/PageStates";
import { Segments } from "@/ui/Segments";
import { State } from "@/ui/State";
import { type Json, typeOf } from "./jsonValue";
import { SchemaForm } from "./SchemaForm";
import type { Misfit, Schema } from "./schema";

const CodeField = lazy(async () => ({ default: (await import("./CodeField")).CodeField }));

export type DataView = "form" | "json";

interface DataFieldProps {
  schema: Schema | null | undefined;
  /** The data as JSON; what is no JSON is possible while somebody types. */
  text: string;
  onChange(text: string): void;
  problems?: readonly Misfit[];
  label: string;
  view: DataView;
  onView(view: DataView): void;
  onSubmit?: (() => void) | undefined;
}

/** The JSON of a text, or why it is none. */
export function readJson(text: string): { value: Json } | { wrong: string } {
  try {
    return { value: parseExact(text) as Json };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
}

/** One text, as a form or as JSON; both keep the digits of numbers. */
export function DataField(props: DataFieldProps) {
  const { schema, text, onChange, problems, label, view, onView, onSubmit } = props;
  const read = readJson(text);
  const isJson = "value" in read;
  return (
    <section className="data-field" aria-label={label}>
      <div className="sect-head">
        <h2>Data</h2>
        <span className="right">
          <Segments
            className="tight"
            label="Write them as"
            value={view}
            segments={[
              {
                value: "form",
                label: "Form",
                refusal: isJson ? undefined : "What is written is no JSON yet",
              },
              { value: "json", label: "JSON" },
            ]}
            onChange={onView}
          />
        </span>
      </div>
      {view === "form" && isJson ? (
        <SchemaForm
          label={label}
          schema={schema}
          value={read.value}
          onChange={(value) => onChange(stringifyExact(value, 2))}
          {...(problems ? { problems } : {})}
        />
      ) : (
        <>
          <Suspense fallback={<Loading rows={6} label="The editor is being loaded" />}>
            <CodeField
              text={text}
              onChange={onChange}
              label={`${label} as JSON`}
              onSubmit={onSubmit}
            />
          </Suspense>
          <p className="small faint">
            {isJson ? (
              <>JSON, {typeOf(read.value)}</>
            ) : (
              <State of="refused">no JSON: {read.wrong}</State>
            )}
          </p>
        </>
      )}
    </section>
  );
}
