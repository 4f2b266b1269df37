/** What do all pages stand in? */

import { Outlet } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { useSignedOut } from "@/api/me";
import { useKeys } from "@/keyboard/keys";
import { useFreshness } from "@/live/freshness";
import { Sprite } from "@/ui/Icon";
import { BottomBar } from "./BottomBar";
import { copyPlainCounts } from "./copyPlainCounts";
import { SignIn } from "./SignIn";
import { TopBar } from "./TopBar";

// Asked for when they are opened: dialogs are a tenth of what the first page would load.
const KeyList = lazy(async () => ({ default: (await import("./KeyList")).KeyList }));
const Palette = lazy(async () => ({ default: (await import("./Palette")).Palette }));

/** Top bar, page, bottom bar; the palette and the list of keys above them. */
export function Layout() {
  const [open, setOpen] = useState<"palette" | "keys" | undefined>();
  const { state } = useFreshness();
  const signedOut = useSignedOut();
  const close = () => setOpen(undefined);
  useKeys([
    { key: "Ctrl+k", does: "go to a page, run, stage or event", run: () => setOpen("palette") },
    { key: "?", does: "all keys", run: () => setOpen("keys") },
  ]);
  useEffect(() => {
    document.documentElement.dataset["state"] = state;
  }, [state]);
  useEffect(() => copyPlainCounts(document), []);
  return (
    <>
      <Sprite />
      <button type="button" className="btn skip" onClick={focusContent}>
        To the content
      </button>
      <TopBar onGoTo={() => setOpen("palette")} />
      <main id="content" tabIndex={-1}>
        {signedOut ? <SignIn onSignedIn={() => location.reload()} /> : <Outlet />}
      </main>
      <BottomBar onGoTo={() => setOpen("palette")} />
      <Suspense>
        {open === "palette" && <Palette onClose={close} />}
        {open === "keys" && <KeyList onClose={close} />}
      </Suspense>
    </>
  );
}

function focusContent(): void {
  document.getElementById("content")?.focus();
}
