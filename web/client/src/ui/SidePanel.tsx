/** What is known about what is selected? */

import type { ReactNode } from "react";
import { useKeys } from "@/keyboard/keys";
import { Icon } from "./Icon";

/** A panel right of the picture or table; Esc closes it. Its children are `<section>`s. */
export function SidePanel({
  title,
  state,
  onClose,
  children,
}: {
  title: ReactNode;
  state?: ReactNode;
  onClose(): void;
  children: ReactNode;
}) {
  useKeys([{ key: "Escape", does: "close the panel", run: onClose }]);
  return (
    <aside className="side" aria-label={typeof title === "string" ? title : "Selected"}>
      <header>
        <h2>
          {title} {state}
        </h2>
        <button type="button" className="btn plain" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      {children}
    </aside>
  );
}
