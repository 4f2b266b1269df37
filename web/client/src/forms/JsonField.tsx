/** How are data changed as JSON? */

import { lazy, type ReactNode, Suspense } from "react";
import { Loading } from "@/ui/PageStates";
import "./json-field.css";

const CodeField = lazy(async () => ({ default: (await import("./CodeField")).CodeField }));

/** A field for JSON, whose editor is loaded with the first one, and what is to be known below it. */
export function JsonField({
  label,
  value,
  onChange,
  note,
}: {
  label: string;
  value: string;
  onChange(value: string): void;
  note?: ReactNode;
}) {
  return (
    <div className="json-field">
      <Suspense fallback={<Loading rows={6} label="The editor is being loaded" />}>
        <CodeField text={value} onChange={onChange} label={label} />
      </Suspense>
      {note && <p className="label">{note}</p>}
    </div>
  );
}
