/** Which version is seen? A stop each: filled is in force, a ring drains, small is retired. */

import { useKeys } from "@/keyboard/keys";
import type { VersionStop } from "./graphData";

const SHOWN = 9;

/** A slider over versions; [ and ] go to the one before and after. */
export function VersionSlider({
  pipeline,
  versions,
  value,
  onChange,
}: {
  pipeline: string;
  versions: readonly VersionStop[];
  value: number;
  onChange(version: number): void;
}) {
  const at = versions.findIndex((stop) => stop.version === value);
  const move = (step: number) => {
    const to = versions[at + step];
    if (to) onChange(to.version);
  };
  useKeys([
    { key: "[", does: "version before", run: () => move(-1) },
    { key: "]", does: "version after", run: () => move(1) },
  ]);
  if (versions.length < 2) return null;
  const seen = around(versions, at);
  return (
    <div
      className="versions"
      role="slider"
      aria-label="Version"
      aria-valuemin={versions[0]?.version ?? 1}
      aria-valuemax={versions.at(-1)?.version ?? 1}
      aria-valuenow={value}
      aria-valuetext={`${pipeline}@${value}, ${versions[at]?.state ?? ""}`}
      tabIndex={0}
      onKeyDown={(event) => {
        const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
        if (!step) return;
        event.preventDefault();
        move(step);
      }}
    >
      <ol>
        {seen.map((stop) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the slider around it has the keys
          <li
            key={stop.version}
            className={stopClass(stop, value)}
            aria-current={stop.version === value || undefined}
            title={`${pipeline}@${stop.version}, ${stop.state}`}
            onClick={() => onChange(stop.version)}
          >
            @{stop.version}
          </li>
        ))}
      </ol>
    </div>
  );
}

function stopClass({ version, state }: VersionStop, value: number): string {
  const look = state === "in force" ? "force" : state === "draining" ? "drains" : "";
  return version === value ? `${look} seen`.trim() : look;
}

/** The stops around the one that is seen, so many as there is room for; always those of today. */
function around(versions: readonly VersionStop[], at: number): VersionStop[] {
  const from = Math.max(0, Math.min(at - Math.floor(SHOWN / 2), versions.length - SHOWN));
  return versions.slice(from, from + SHOWN);
}
