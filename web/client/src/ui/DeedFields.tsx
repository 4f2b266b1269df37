/** What does a person fill in before a deed? */

import type { ReactNode } from "react";
import { classes } from "./classes";

interface FieldProps {
  label: string;
  value: string;
  onChange(value: string): void;
}

interface TextFieldProps extends FieldProps {
  placeholder?: string;
  /** `code`: what a program reads, in its type; `short`: a number with its unit. */
  kind?: "code" | "short";
  /** Below the field. */
  note?: ReactNode;
}

/** A text in one line. */
export function TextField({ label, value, onChange, placeholder, kind, note }: TextFieldProps) {
  return (
    <label className="deed-field">
      <span>{label}</span>
      <input
        className={classes("input", kind === "code" && "mono", kind === "short" && "short")}
        value={value}
        placeholder={placeholder}
        spellCheck={kind === undefined}
        onChange={(event) => onChange(event.target.value)}
      />
      {note && <small>{note}</small>}
    </label>
  );
}

interface ChoiceFieldProps extends FieldProps {
  /** Names, or values with other words. */
  choices: readonly (string | { value: string; label: string })[];
  /** Nothing is chosen at first; the words then. */
  unchosen?: string;
}

/** One of several names. */
export function ChoiceField({ label, value, onChange, choices, unchosen }: ChoiceFieldProps) {
  return (
    <label className="deed-field">
      <span>{label}</span>
      <select className="input" value={value} onChange={(event) => onChange(event.target.value)}>
        {unchosen !== undefined && (
          <option value="" disabled>
            {unchosen}
          </option>
        )}
        {choices.map((choice) => {
          const { value, label } =
            typeof choice === "string" ? { value: choice, label: choice } : choice;
          return (
            <option key={value} value={value}>
              {label}
            </option>
          );
        })}
      </select>
    </label>
  );
}
