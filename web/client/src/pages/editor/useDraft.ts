/** What has this person written that is not saved yet? It is kept by the browser. */

import { useCallback, useEffect, useState } from "react";

/** The file as the server has it. */
interface SavedFile {
  path: string;
  text: string;
  revision: string;
}

interface Kept {
  text: string;
  /** The content of the file that the text was made from. */
  base: string;
  revision: string;
  /** When the text was kept, in ms of the epoch; 0 if it is that of the file. */
  at: number;
}

export interface Draft extends Kept {
  changed: boolean;
  /** True if the file was saved by somebody else since the draft was begun. */
  conflict: boolean;
  edit(text: string): void;
  discard(): void;
  /** Keep the text, and compare it with the file as it is now. */
  rebase(): void;
  /** The text has been saved as this revision. */
  saved(text: string, revision: string): void;
}

/** The draft of a file; what was kept for it before comes back. */
export function useDraft(file: SavedFile): Draft {
  const key = `farandole.draft.${file.path}`;
  const [kept, setKept] = useState<Kept>(() => read(key) ?? fresh(file));
  const changed = kept.text !== kept.base;
  const outdated = kept.revision !== file.revision;
  useEffect(() => {
    // What was saved from here is newer than a file that is still on its way.
    setKept((now) => (now.text === now.base && now.revision !== file.revision ? fresh(file) : now));
  }, [file]);
  useEffect(() => write(key, changed ? kept : undefined), [key, kept, changed]);
  const edit = useCallback(
    (text: string) =>
      setKept((now) => (now.text === text ? now : { ...now, text, at: Date.now() })),
    [],
  );
  return {
    ...kept,
    changed,
    conflict: outdated && changed,
    edit,
    discard: () => setKept(fresh(file)),
    rebase: () => setKept({ ...kept, base: file.text, revision: file.revision }),
    saved: (text, revision) => setKept({ text, base: text, revision, at: 0 }),
  };
}

function fresh({ text, revision }: SavedFile): Kept {
  return { text, base: text, revision, at: 0 };
}

function read(key: string): Kept | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? "null") as Kept | null;
    return typeof kept?.text === "string" && typeof kept.base === "string" ? kept : undefined;
  } catch {
    return undefined;
  }
}

function write(key: string, kept: Kept | undefined): void {
  try {
    if (kept) localStorage.setItem(key, JSON.stringify(kept));
    else localStorage.removeItem(key);
  } catch {
    // a private window keeps nothing
  }
}
