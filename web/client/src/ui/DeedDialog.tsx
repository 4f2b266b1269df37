/** How is a deed asked for whose figures are filled in? */

import "./deed.css";
import { type ReactNode, useState } from "react";
import type { Role } from "@/api/me";
import { asProblem } from "@/api/problem";
import { Dialog } from "./Dialog";
import { sentence } from "./PageStates";
import { WriteButton } from "./WriteButton";

interface DeedDialogProps {
  open: boolean;
  onClose(): void;
  title: ReactNode;
  about?: ReactNode;
  /** The fields. */
  children?: ReactNode;
  /** The button's words: `Throttle validate`. */
  deed: string;
  /** What is missing; the button says it. */
  missing?: string | undefined;
  danger?: boolean;
  needs?: Role;
  busy?: boolean;
  /** Why the server has refused it. */
  error?: unknown;
  /** False for deeds without a place for a comment; `required` for those that need one. */
  comment?: boolean | "required";
  onDo(comment: string): void;
}

/** A dialog with fields, a comment and the deed's button; what the server refuses is said in it. */
export function DeedDialog(props: DeedDialogProps) {
  return (
    <Dialog open={props.open} onClose={props.onClose} title={props.title} about={props.about}>
      <DeedForm {...props} />
    </Dialog>
  );
}

function DeedForm(props: DeedDialogProps) {
  const { children, deed, danger, needs, busy, error, comment = true, onDo } = props;
  const [text, setText] = useState("");
  const unsaid = comment === "required" && !text.trim() ? "Say why" : undefined;
  const missing = props.missing ?? unsaid;
  return (
    <form
      className="confirm-form deed-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (missing === undefined && !busy) onDo(text.trim());
      }}
    >
      {children}
      {comment && (
        <label className="deed-field">
          <span>Why</span>
          <input
            className="input"
            maxLength={500}
            value={text}
            placeholder={comment === "required" ? "others read it" : "if you like; others read it"}
            onChange={(event) => setText(event.target.value)}
          />
        </label>
      )}
      {error !== undefined && error !== null && (
        <p className="deed-error" role="alert">
          {sentence(asProblem(error).message)}
        </p>
      )}
      <footer>
        <button type="button" className="btn" onClick={props.onClose}>
          Keep as it is
        </button>
        <WriteButton
          type="submit"
          kind={danger ? "danger" : "primary"}
          refusal={missing}
          busy={busy ?? false}
          {...(needs ? { needs } : {})}
        >
          {deed}
        </WriteButton>
      </footer>
    </form>
  );
}
