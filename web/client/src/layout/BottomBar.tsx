/** How does a thumb go from page to page? */

import { lazy, Suspense, useState } from "react";
import { useNeeds } from "@/live/needs";
import { navigation, useSection } from "@/navigation/pages";
import { Icon } from "@/ui/Icon";
import { NavigationLink } from "./TopBar";

const MorePages = lazy(async () => ({ default: (await import("./MorePages")).MorePages }));

const PLACES = 4;

/** Five places at the bottom of a narrow screen; the fifth has all other pages. */
export function BottomBar({ onGoTo }: { onGoTo(): void }) {
  const [more, setMore] = useState(false);
  const needs = useNeeds();
  const section = useSection();
  const dots: Record<string, boolean> = {
    graph: needs.troubles.length > 0,
    "dead-letters": Boolean(needs.deadLetters),
    incidents: Boolean(needs.incidents),
  };
  const others = navigation.slice(PLACES);
  const close = () => setMore(false);
  return (
    <nav className="tabbar" aria-label="Pages, short">
      {navigation.slice(0, PLACES).map((entry) => (
        <NavigationLink key={entry.section} entry={entry}>
          <Icon name={entry.icon} />
          {entry.short}
          {dots[entry.section] && <i className="dot" />}
        </NavigationLink>
      ))}
      <button
        type="button"
        aria-current={others.some((entry) => entry.section === section) ? "page" : undefined}
        onClick={() => setMore(true)}
      >
        <Icon name="menu" />
        More
      </button>
      {more && (
        <Suspense>
          <MorePages entries={others} onClose={close} onGoTo={onGoTo} />
        </Suspense>
      )}
    </nav>
  );
}
