/** What is this page about? */

import { type ReactNode, useEffect } from "react";
import { StaleBanner } from "./StaleBanner";

interface PageHeadProps {
  /** The page's name, in the head and in the title of the window. */
  title: string;
  /** Instead of the title in the head: an id to copy, a state beside the name. */
  heading?: ReactNode;
  /** Where the page belongs: `<Link to="/runs">Runs</Link>`. */
  crumb?: ReactNode;
  /** Beside the name: a version slider, a note. */
  children?: ReactNode;
  /** Buttons at the end. */
  actions?: ReactNode;
  /** A row of filters below; the stale banner comes after it. */
  filters?: ReactNode;
}

/** Name, version, view and deeds of a page; below it what is stale. */
export function PageHead({ title, heading, crumb, children, actions, filters }: PageHeadProps) {
  useEffect(() => {
    document.title = `${title} · Farandole`;
  }, [title]);
  return (
    <>
      <div className="head">
        <div>
          {crumb && <p className="small crumb">{crumb}</p>}
          <h1>{heading ?? title}</h1>
        </div>
        {children}
        {actions && <div className="actions">{actions}</div>}
      </div>
      {filters}
      <StaleBanner />
    </>
  );
}
