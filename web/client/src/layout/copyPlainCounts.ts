/** What is copied when a count is selected? The digits, without the spaces between thousands. */

import { THIN } from "@/ui/format";

/** Let copies be without thin spaces; returns how to stop that. */
export function copyPlainCounts(page: Document): () => void {
  const copy = (event: ClipboardEvent) => {
    const selected = page.getSelection()?.toString() ?? "";
    if (!selected.includes(THIN) || !event.clipboardData) return;
    event.clipboardData.setData("text/plain", selected.replaceAll(THIN, ""));
    event.preventDefault();
  };
  page.addEventListener("copy", copy);
  return () => page.removeEventListener("copy", copy);
}
