/** What is wrong with the page as a whole? */

import type { ReactNode } from "react";
import { Icon, type IconName } from "./Icon";

/** A line across the page; `actions` are small buttons at its end. */
export function Banner({
  icon = "warning",
  title,
  children,
  actions,
}: {
  icon?: IconName;
  title: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <div className="banner" role="alert">
      <Icon name={icon} />
      {title}
      {children && <span>{children}</span>}
      {actions}
    </div>
  );
}
