/** Which fields hold what is not written into the data, because it is no number or no JSON yet? */

import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useId,
  useState,
} from "react";

type Hold = (field: string, why: string | undefined) => void;

const Held = createContext<Hold>(() => undefined);

/** Why the data are not what their fields show, a reason for each such field; and who collects them. */
export function useDrafts(): { drafts: readonly string[]; hold: Hold } {
  const [held, setHeld] = useState<Readonly<Record<string, string>>>({});
  const hold = useCallback<Hold>((field, why) => {
    setHeld(({ [field]: _, ...others }) =>
      why === undefined ? others : { ...others, [field]: why },
    );
  }, []);
  return { drafts: Object.values(held), hold };
}

/** Collects what the fields below hold back. */
export function Drafts({ hold, children }: { hold: Hold; children: ReactNode }) {
  return <Held.Provider value={hold}>{children}</Held.Provider>;
}

/** Says why what a field shows is not in the data; undefined if it is. */
export function useDraft(why: string | undefined): void {
  const hold = useContext(Held);
  const field = useId();
  useEffect(() => {
    if (why === undefined) return undefined;
    hold(field, why);
    return () => hold(field, undefined);
  }, [hold, field, why]);
}
