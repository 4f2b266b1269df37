/** Which theme and which time zone has this person chosen? Kept by the browser. */

import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import type { Zone } from "@/ui/format";

export type Theme = "system" | "light" | "dark";

interface Preferences {
  theme: Theme;
  setTheme(theme: Theme): void;
  zone: Zone;
  setZone(zone: Zone): void;
}

const PreferencesContext = createContext<Preferences>({
  theme: "system",
  setTheme: () => {},
  zone: "UTC",
  setZone: () => {},
});

/** The theme and the time zone, and how to change them. */
export function usePreferences(): Preferences {
  return useContext(PreferencesContext);
}

/** Holds both and sets the theme of the page. */
export function PreferencesProvider({ children }: { children: ReactNode }) {
  const [theme, setTheme] = useKept<Theme>("theme", ["system", "light", "dark"]);
  const [zone, setZone] = useKept<Zone>("zone", ["UTC", "local"]);
  useEffect(() => {
    const root = document.documentElement;
    if (theme === "system") delete root.dataset["theme"];
    else root.dataset["theme"] = theme;
  }, [theme]);
  const value = useMemo(
    () => ({ theme, setTheme, zone, setZone }),
    [theme, setTheme, zone, setZone],
  );
  return <PreferencesContext value={value}>{children}</PreferencesContext>;
}

/** A state that localStorage keeps under `farandole.<name>`; the first choice unless one is kept. */
function useKept<T extends string>(name: string, choices: [T, ...T[]]): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => {
    const kept = read(`farandole.${name}`);
    return choices.find((choice) => choice === kept) ?? choices[0];
  });
  const keep = useMemo(
    () => (next: T) => {
      write(`farandole.${name}`, next);
      setValue(next);
    },
    [name],
  );
  return [value, keep];
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // a private window keeps nothing
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // a private window keeps nothing
  }
}
