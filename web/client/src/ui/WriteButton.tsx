/** May this deed be done now? */

import type { ReactNode } from "react";
import { type Role, useRefusal } from "@/api/me";
import { classes } from "./classes";
import { Icon, type IconName } from "./Icon";

interface WriteButtonProps {
  children: ReactNode;
  /** The role that the deed needs. */
  needs?: Role;
  /** Why it cannot be done, known by the page. */
  refusal?: string | undefined;
  kind?: "primary" | "danger" | "plain" | "normal";
  icon?: IconName;
  busy?: boolean;
  className?: string;
  type?: "button" | "submit";
  onClick?: () => void;
}

/** A button that writes: disabled, with the reason, while data are stale or the role lacks. */
export function WriteButton({
  children,
  needs = "operator",
  refusal,
  kind = "normal",
  icon,
  busy = false,
  className,
  type = "button",
  onClick,
}: WriteButtonProps) {
  const general = useRefusal(needs);
  const reason = general ?? refusal;
  return (
    <button
      type={type}
      className={classes("btn", kind !== "normal" && kind, className)}
      // aria-disabled keeps the focus and lets the reason be read.
      aria-disabled={reason !== undefined || busy}
      title={reason}
      onClick={(event) => {
        if (reason !== undefined || busy) event.preventDefault();
        else onClick?.();
      }}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}
