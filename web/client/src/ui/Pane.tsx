/** Where does a list stand beside what is picked from it? */

import type { ReactNode } from "react";
import "./pane.css";

/** A list that folds away above what is picked on a narrow screen. */
export function Pane({
  className,
  title,
  note,
  open,
  children,
}: {
  className: string;
  title: string;
  note: string | undefined;
  open: boolean;
  children: ReactNode;
}) {
  return (
    <details className={`pane ${className}`} open={open}>
      <summary>
        <h2>{title}</h2>
        <span className="faint">{note}</span>
      </summary>
      {children}
    </details>
  );
}
