/** Which keys do something on this page, and what? */

import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";

export interface KeyAction {
  /** As KeyboardEvent.key has it: `j`, `Enter`, `[`, `F8`, ` `; with `Ctrl+` before it: `Ctrl+k`. */
  key: string;
  /** What it does, for the list of all keys: `next row`. */
  does: string;
  run(event: KeyboardEvent): void;
  /** Also while a field has the focus; needless for `Ctrl+` and `Escape`. */
  inFields?: boolean;
}

interface Registry {
  add(actions: { current: readonly KeyAction[] }): () => void;
  all(): KeyAction[];
}

const RegistryContext = createContext<Registry | undefined>(undefined);

/** Let keys act while the component is there; the newest wins where two want the same key. */
export function useKeys(actions: readonly KeyAction[]): void {
  const registry = useContext(RegistryContext);
  const current = useRef(actions);
  useEffect(() => {
    current.current = actions;
  });
  useEffect(() => registry?.add(current), [registry]);
}

/** All keys that act now, for the list of `?`. */
export function useAllKeys(): () => KeyAction[] {
  const registry = useContext(RegistryContext);
  return useCallback(() => registry?.all() ?? [], [registry]);
}

/** Listens for the keys of everything below it. */
export function KeysProvider({ children }: { children: ReactNode }) {
  const [lists] = useState(() => new Set<{ current: readonly KeyAction[] }>());
  const registry = useMemo<Registry>(
    () => ({
      add: (actions) => {
        lists.add(actions);
        return () => lists.delete(actions);
      },
      all: () => [...lists].flatMap((list) => list.current),
    }),
    [lists],
  );
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const action = registry.all().findLast((one) => fits(one, event));
      if (!action || event.defaultPrevented) return;
      event.preventDefault();
      action.run(event);
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, [registry]);
  return <RegistryContext value={registry}>{children}</RegistryContext>;
}

function fits(action: KeyAction, event: KeyboardEvent): boolean {
  const ctrl = action.key.startsWith("Ctrl+");
  const key = ctrl ? action.key.slice(5) : action.key;
  if (event.key !== key && event.key.toLowerCase() !== key) return false;
  if (ctrl !== (event.ctrlKey || event.metaKey) || event.altKey) return false;
  if (ctrl) return true;
  if (inDialog(event.target)) return false;
  if (key === "Escape" || action.inFields) return true;
  if (inField(event.target)) return false;
  return !((key === "Enter" || key === " ") && onControl(event.target));
}

function inField(target: EventTarget | null): boolean {
  return matches(
    target,
    'input:not([type="checkbox"], [type="radio"]), textarea, select, [contenteditable="true"]',
  );
}

function inDialog(target: EventTarget | null): boolean {
  return matches(target, '[role="dialog"], [role="alertdialog"], [role="menu"], [role="listbox"]');
}

/** Enter and Space belong to a link or a button that has the focus. */
function onControl(target: EventTarget | null): boolean {
  return matches(target, 'a, button, summary, [role="button"], [role="slider"]');
}

function matches(target: EventTarget | null, selector: string): boolean {
  return target instanceof Element && target.closest(selector) !== null;
}
