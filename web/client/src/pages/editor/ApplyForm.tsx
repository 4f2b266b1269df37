/** Is a plan carried out, and are its dangers known? */

import { type ReactNode, useId, useState } from "react";
import { WriteButton } from "@/ui/WriteButton";
import { dangerWords, isConfirmed, type Plan, typedNames } from "./planWords";

/** Asks for the names of what is lost, and does the deed. */
export function ApplyForm({
  plan,
  deed,
  busy,
  refusal,
  note,
  onApply,
}: {
  plan: Plan;
  deed: string;
  busy: boolean;
  refusal?: string | undefined;
  note: ReactNode;
  onApply(confirmed: string[]): void;
}) {
  const [typed, setTyped] = useState("");
  const field = useId();
  const dangerous = plan.changes.filter((change) => change.danger);
  const names = plan.confirm;
  const confirmed = isConfirmed(plan, typed) || names.length === 0;
  return (
    <form
      className="confirm"
      onSubmit={(event) => {
        event.preventDefault();
        if (confirmed && !busy && refusal === undefined) onApply(typedNames(typed));
      }}
    >
      {dangerous.map((change) => {
        const { lost, care } = dangerWords(change);
        return (
          <p key={`${change.what} ${change.name}`}>
            <b>{lost}</b> {care}
          </p>
        );
      })}
      {names.length > 0 && (
        <label htmlFor={field}>
          To allow it, type{" "}
          {names.length === 1 ? `the ${dangerous[0]?.what ?? "stage"}’s name` : "these names"}:{" "}
          <code>{names.join(" ")}</code>
        </label>
      )}
      <div className="type">
        {names.length > 0 && (
          <input
            className="input mono"
            id={field}
            value={typed}
            autoComplete="off"
            spellCheck={false}
            aria-invalid={typed !== "" && !confirmed}
            onChange={(event) => setTyped(event.target.value)}
          />
        )}
        <WriteButton
          type="submit"
          kind="primary"
          needs="editor"
          busy={busy}
          refusal={refusal ?? (confirmed ? undefined : `Type ${names.join(" ")} first`)}
        >
          {deed}
        </WriteButton>
      </div>
      <p className="label">{note}</p>
    </form>
  );
}
