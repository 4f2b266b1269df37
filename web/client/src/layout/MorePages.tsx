/** Which pages have no place of their own on a narrow screen? */

import type { NavigationEntry } from "@/navigation/pages";
import { Dialog } from "@/ui/Dialog";
import { Icon } from "@/ui/Icon";
import { NavigationLink, ZoneSwitch } from "./TopBar";

interface MorePagesProps {
  entries: readonly NavigationEntry[];
  onClose(): void;
  onGoTo(): void;
}

/** The other pages, the palette and the zone of times. */
export function MorePages({ entries, onClose, onGoTo }: MorePagesProps) {
  return (
    <Dialog open onClose={onClose} title="More">
      <ul className="more-pages">
        {entries.map((entry) => (
          <li key={entry.section}>
            <NavigationLink entry={entry} onFollow={onClose}>
              <Icon name={entry.icon} />
              {entry.label}
            </NavigationLink>
          </li>
        ))}
        <li>
          <button
            type="button"
            className="plain-row"
            onClick={() => {
              onClose();
              onGoTo();
            }}
          >
            <Icon name="search" />
            Go to a run, a stage, an event
          </button>
        </li>
      </ul>
      <p className="small soft more-zone">
        Times in <ZoneSwitch />
      </p>
    </Dialog>
  );
}
