/** Which pages are there, and how fresh is what they show? */

import { Link } from "@tanstack/react-router";
import { useFreshness } from "@/live/freshness";
import { useNeeds } from "@/live/needs";
import { type NavigationEntry, navigation, type Section, useSection } from "@/navigation/pages";
import { useChosenPipeline } from "@/navigation/pipelines";
import { type Theme, usePreferences } from "@/preferences/preferences";
import { Age } from "@/ui/figures";
import { formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";

const nextTheme: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

/** The bar at the top: all pages as words, then the tools. */
export function TopBar({ onGoTo }: { onGoTo(): void }) {
  return (
    <header className="top">
      <Link className="brand" to="/">
        <svg viewBox="0 0 22 16" aria-hidden="true">
          <path d="M2.5 11.5C5.5 3 8.5 3 11 8s5.5 5 8.5-3.5" />
          <circle cx="2.5" cy="11.5" r="2.2" />
          <circle cx="11" cy="8" r="2.2" />
          <circle cx="19.5" cy="4.5" r="2.2" />
        </svg>
        farandole
      </Link>
      <nav className="nav" aria-label="Pages">
        {navigation.map((entry) => (
          <NavigationLink key={entry.section} entry={entry}>
            {entry.label}
            <WaitingCount section={entry.section} />
          </NavigationLink>
        ))}
      </nav>
      <div className="tools">
        <button
          type="button"
          className="btn plain hide-narrow hide-mid"
          title="Go to a run, a stage, an event"
          onClick={onGoTo}
        >
          <Icon name="search" />
          <span className="faint">Go to</span>
          <kbd>Ctrl K</kbd>
        </button>
        <FreshMark />
        <ZoneSwitch />
        <ThemeSwitch />
      </div>
    </header>
  );
}

/** A link of the navigation; the editor's goes to the pipeline that is meant. */
export function NavigationLink({
  entry,
  children,
  onFollow,
}: {
  entry: NavigationEntry;
  children: React.ReactNode;
  onFollow?: () => void;
}) {
  const current = useSection() === entry.section ? "page" : undefined;
  const pipeline = useChosenPipeline();
  const goes =
    entry.to === "/pipelines/$pipeline/editor"
      ? pipeline === undefined
        ? ({ to: "/editor" } as const)
        : { to: entry.to, params: { pipeline } }
      : { to: entry.to };
  return (
    <Link
      {...goes}
      activeProps={{}}
      aria-current={current}
      {...(onFollow ? { onClick: onFollow } : {})}
    >
      {children}
    </Link>
  );
}

/** How many dead letters or incidents wait for somebody; nothing if none do. */
function WaitingCount({ section }: { section: Section }) {
  const needs = useNeeds();
  const count =
    section === "dead-letters"
      ? needs.deadLetters
      : section === "incidents"
        ? needs.incidents
        : undefined;
  if (!count) return null;
  return (
    <span className="count" data-tone={section === "incidents" ? "late" : "dead"}>
      {formatCount(count)}
    </span>
  );
}

function FreshMark() {
  const { state, since } = useFreshness();
  return (
    <span className="fresh" role="status">
      {state === "live" ? (
        <span className="is-live">live</span>
      ) : (
        <span className="is-stale">
          <Age since={since} /> old
        </span>
      )}
    </span>
  );
}

/** Times in UTC or local. */
export function ZoneSwitch() {
  const { zone, setZone } = usePreferences();
  const other = zone === "UTC" ? "local" : "UTC";
  return (
    <button
      type="button"
      className="btn plain hide-narrow"
      title={`Times in ${zone} time; click for ${other} time`}
      onClick={() => setZone(other)}
    >
      {zone === "UTC" ? "UTC" : "Local"}
    </button>
  );
}

/** Light, dark, or as the system has it. */
export function ThemeSwitch() {
  const { theme, setTheme } = usePreferences();
  return (
    <button
      type="button"
      className="btn plain"
      aria-label={`Theme: ${theme}; change to ${nextTheme[theme]}`}
      title={`Theme: ${theme}; click for ${nextTheme[theme]}`}
      onClick={() => setTheme(nextTheme[theme])}
    >
      <Icon name="theme" />
    </button>
  );
}
