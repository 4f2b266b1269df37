/** What must be decided before the page goes on? */

import { Dialog as Radix } from "radix-ui";
import { type ReactNode, useId, useState } from "react";
import type { Role } from "@/api/me";
import { Icon } from "./Icon";
import { useReturnedFocus } from "./returnedFocus";
import { WriteButton } from "./WriteButton";

interface DialogProps {
  open: boolean;
  onClose(): void;
  title: ReactNode;
  /** One line below the title. */
  about?: ReactNode;
  children?: ReactNode;
  /** Buttons at the foot. */
  actions?: ReactNode;
  wide?: boolean;
}

/** A dialog in the middle of the page; Esc closes it, the focus stays inside and returns. */
export function Dialog({ open, onClose, title, about, children, actions, wide }: DialogProps) {
  const focus = useReturnedFocus();
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="dialog-ground" />
        <Radix.Content
          className={wide ? "dialog wide" : "dialog"}
          {...focus}
          {...(about === undefined ? { "aria-describedby": undefined } : {})}
        >
          <header>
            <Radix.Title asChild>
              <h2>{title}</h2>
            </Radix.Title>
            <Radix.Close className="btn plain" aria-label="Close">
              <Icon name="close" />
            </Radix.Close>
          </header>
          {about !== undefined && <Radix.Description className="soft">{about}</Radix.Description>}
          {children}
          {actions && <footer>{actions}</footer>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

interface ConfirmDialogProps {
  open: boolean;
  onClose(): void;
  title: ReactNode;
  about?: ReactNode;
  /** What is counted, refused or lost. */
  children?: ReactNode;
  /** The deed and its number: `Replay 27 letters`. */
  deed: string;
  /** The name of what is lost, to be typed; none for what can be undone. */
  typed?: string;
  /** `reason` shows a field whose text onConfirm gets. */
  reason?: "none" | "optional" | "required";
  danger?: boolean;
  needs?: Role;
  refusal?: string | undefined;
  busy?: boolean;
  wide?: boolean;
  onConfirm(reason: string): void;
}

/** Asks before a deed that cannot be undone; a typed name where something is lost. */
export function ConfirmDialog(props: ConfirmDialogProps) {
  const { open, onClose, title, about, children, wide = false } = props;
  return (
    <Dialog open={open} onClose={onClose} title={title} about={about} wide={wide}>
      {children}
      <ConfirmForm {...props} />
    </Dialog>
  );
}

/** Lives only while the dialog is open, so that it begins empty each time. */
function ConfirmForm(props: ConfirmDialogProps) {
  const { deed, typed, reason = "none", danger, needs, refusal, busy, onConfirm, onClose } = props;
  const [name, setName] = useState("");
  const [why, setWhy] = useState("");
  const nameField = useId();
  const whyField = useId();
  const missing =
    typed !== undefined && name !== typed
      ? `Type ${typed} first`
      : reason === "required" && !why.trim()
        ? "Give a reason first"
        : undefined;
  return (
    <form
      className="confirm-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (missing === undefined && refusal === undefined && !busy) onConfirm(why.trim());
      }}
    >
      {reason !== "none" && (
        <p>
          <label htmlFor={whyField}>Reason{reason === "optional" && ", if you like"}</label>
          <input
            id={whyField}
            className="input"
            value={why}
            onChange={(event) => setWhy(event.target.value)}
          />
        </p>
      )}
      {typed !== undefined && (
        <p>
          <label htmlFor={nameField}>
            Type <code>{typed}</code> to go on
          </label>
          <input
            id={nameField}
            className="input mono"
            autoComplete="off"
            spellCheck={false}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </p>
      )}
      <footer>
        <button type="button" className="btn" onClick={onClose}>
          Keep as it is
        </button>
        <WriteButton
          type="submit"
          kind={danger ? "danger" : "primary"}
          refusal={refusal ?? missing}
          busy={busy ?? false}
          {...(needs ? { needs } : {})}
        >
          {deed}
        </WriteButton>
      </footer>
    </form>
  );
}
