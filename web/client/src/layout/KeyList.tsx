/** Which keys are there? */

import { useAllKeys } from "@/keyboard/keys";
import { Dialog } from "@/ui/Dialog";

const names: Record<string, string> = { " ": "Space", Escape: "Esc", "Ctrl+k": "Ctrl K" };

/** The keys that act on this page, as the page says it. */
export function KeyList({ onClose }: { onClose(): void }) {
  const all = useAllKeys();
  return (
    <Dialog open onClose={onClose} title="Keys">
      <dl className="key-list">
        {[...new Map(all().map((action) => [action.key, action])).values()].map((action) => (
          <div key={action.key} className="contents">
            <dt>
              <kbd>{nameOf(action.key)}</kbd>
            </dt>
            <dd>{action.does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function nameOf(key: string): string {
  return names[key] ?? (key.length === 1 ? key.toUpperCase() : key);
}
