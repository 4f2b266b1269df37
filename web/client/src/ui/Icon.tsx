/** Which icons are there, and how is one drawn? */

import type { ReactNode } from "react";

/** Each icon on a ground of 16 by 16; Sprite draws them once for the whole page. */
const icons = {
  again: (
    <>
      <path d="M13 3v3.5H9.5" />
      <path d="M12.7 6.3A5.6 5.6 0 1 0 13.5 9" />
    </>
  ),
  anomaly: (
    <>
      <path d="M1.5 10.5h3.2L6.6 2.8l2.8 10.4 1.4-4.4h3.7" />
    </>
  ),
  bell: (
    <>
      <path d="M4 7a4 4 0 0 1 8 0c0 3.5 1.5 4.5 1.5 4.5h-11S4 10.5 4 7zM6.7 13.8c.6.7 2 .7 2.6 0" />
    </>
  ),
  bypass: (
    <>
      <rect x="5.5" y="9" width="5" height="4.5" rx="1" />
      <path d="M1.5 11.2C2 2.6 14 2.6 14.2 10M12 8.2l2.2 2.2 1.6-2.6" />
    </>
  ),
  canary: (
    <>
      <path d="M1.5 10H14M11.5 7.5 14 10l-2.5 2.5M5 10c3 0 2.5-6.5 6.5-6.5" />
      <circle cx="12.7" cy="3.5" r="1.2" />
    </>
  ),
  cancelled: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="m3.8 12.2 8.4-8.4" />
    </>
  ),
  close: (
    <>
      <path d="m4 4 8 8M12 4l-8 8" />
    </>
  ),
  completed: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="m5.2 8.3 2 2 3.7-4.2" />
    </>
  ),
  copy: (
    <>
      <rect x="5.5" y="5.5" width="8" height="8" rx="1" />
      <path d="M10.5 5.5v-3h-8v8h3" />
    </>
  ),
  dead: (
    <>
      <path d="M5.3 2h5.4L14 5.3v5.4L10.7 14H5.3L2 10.7V5.3z" />
      <path d="m6 6 4 4M10 6l-4 4" />
    </>
  ),
  down: (
    <>
      <path d="m4 6 4 4 4-4" />
    </>
  ),
  download: (
    <>
      <path d="M8 2.5v7.5M5 7.2 8 10.2l3-3M2.5 13.5h11" />
    </>
  ),
  draining: (
    <>
      <path d="M3 3.5h10M4.5 6.8h7M6 10h4M8 12.5v1.5" />
    </>
  ),
  dropped: (
    <>
      <path d="M8 2v7M5 6.5 8 9.5l3-3M3 13.5h10" />
    </>
  ),
  edit: (
    <>
      <path d="m3 13 .6-2.8L11 2.8l2.2 2.2-7.4 7.4z" />
    </>
  ),
  excluded: (
    <>
      <path d="M3 8h10" />
    </>
  ),
  eye: (
    <>
      <path d="M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8z" />
      <circle cx="8" cy="8" r="1.8" />
    </>
  ),
  failed: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="m5.8 5.8 4.4 4.4M10.2 5.8l-4.4 4.4" />
    </>
  ),
  filtered: (
    <>
      <path d="M2 3h12L9.6 8.4v4.1l-3.2 1.3V8.4z" />
    </>
  ),
  fit: (
    <>
      <path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10" />
    </>
  ),
  flag: (
    <>
      <path d="M4 14V2.5M4 3h8.5l-2.2 3 2.2 3H4" />
    </>
  ),
  flight: (
    <>
      <path d="M2 8h9.5M8.5 4.5 12 8l-3.5 3.5M14.5 4v8" />
    </>
  ),
  gap: (
    <>
      <path d="M8 2 14.5 13.5h-13zM8 6.5v3.2M8 11.7v.1" />
    </>
  ),
  graph: (
    <>
      <circle cx="3.5" cy="8" r="1.8" />
      <circle cx="12.5" cy="3.8" r="1.8" />
      <circle cx="12.5" cy="12.2" r="1.8" />
      <path d="M5.2 7.2 10.8 4.5M5.2 8.8l5.6 2.7" />
    </>
  ),
  grew: (
    <>
      <path d="M2 12.5 6.2 8.3l2.6 2.6L14 5.5M10.2 5.2H14V9" />
    </>
  ),
  handled: (
    <>
      <path d="M3 8.5 6.5 12 13 4.5" />
    </>
  ),
  held: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M6.4 5.8v4.4M9.6 5.8v4.4" />
    </>
  ),
  late: (
    <>
      <circle cx="8" cy="9" r="5.2" />
      <path d="M8 6.3V9l2 1.2M6.3 1.5h3.4" />
    </>
  ),
  left: (
    <>
      <path d="m10 4-4 4 4 4" />
    </>
  ),
  list: (
    <>
      <path d="M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.1M2.5 8h.1M2.5 12h.1" />
    </>
  ),
  lock: (
    <>
      <rect x="3.5" y="7" width="9" height="6.5" rx="1" />
      <path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2" />
    </>
  ),
  menu: (
    <>
      <path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11" />
    </>
  ),
  minus: (
    <>
      <path d="M3 8h10" />
    </>
  ),
  missed: (
    <>
      <path d="M8 2.2 13.8 8 8 13.8 2.2 8z" />
      <path d="M8 5.6v3M8 10.6v.1" />
    </>
  ),
  more: (
    <>
      <path d="M3.5 8h.1M8 8h.1M12.5 8h.1" strokeWidth="2" />
    </>
  ),
  mute: (
    <>
      <path d="M4 7a4 4 0 0 1 8 0c0 3.5 1.5 4.5 1.5 4.5h-11S4 10.5 4 7zM6.7 13.8c.6.7 2 .7 2.6 0M2 2l12 12" />
    </>
  ),
  open: (
    <>
      <path d="M9.5 2.5h4v4M13.3 2.7 7.5 8.5M11.5 9v4.5h-9v-9H7" />
    </>
  ),
  parked: (
    <>
      <path d="M3 3v3.5h3.5" />
      <path d="M3.3 6.3A5.6 5.6 0 1 1 2.5 9" />
      <path d="M8 5.5V8l1.8 1.2" />
    </>
  ),
  pause: (
    <>
      <path d="M5.5 3v10M10.5 3v10" />
    </>
  ),
  planned: (
    <>
      <rect x="5.5" y="2.5" width="5" height="11" rx="1" />
    </>
  ),
  play: (
    <>
      <path d="M5 3.2 12.5 8 5 12.8z" />
    </>
  ),
  plus: (
    <>
      <path d="M8 3v10M3 8h10" />
    </>
  ),
  retired: (
    <>
      <path d="M3 3.5h10M4.5 6.8h7M6 10h4M8 12.5v1.5" />
    </>
  ),
  right: (
    <>
      <path d="m6 4 4 4-4 4" />
    </>
  ),
  running: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 8V2a6 6 0 0 1 0 12z" fill="currentColor" stroke="none" />
    </>
  ),
  search: (
    <>
      <circle cx="7" cy="7" r="4.5" />
      <path d="m10.5 10.5 3.5 3.5" />
    </>
  ),
  settled: (
    <>
      <path d="m5 8.3 2 2 4-4.4" />
      <circle cx="8" cy="8" r="6.2" strokeDasharray="3 2.4" />
    </>
  ),
  shadow: (
    <>
      <circle cx="6.3" cy="6.3" r="4.3" />
      <path d="M12.6 6.6a4.3 4.3 0 1 1-6 6" strokeDasharray="1.8 2.2" />
    </>
  ),
  snooze: (
    <>
      <path d="M3 6h5l-5 6h5M9.5 2.5H14l-4.5 5H14" />
    </>
  ),
  split: (
    <>
      <rect x="2" y="2.5" width="12" height="11" rx="1" />
      <path d="M2 8.5h12" />
    </>
  ),
  table: (
    <>
      <rect x="2" y="3" width="12" height="10" rx="1" />
      <path d="M2 6.5h12M6.5 6.5V13" />
    </>
  ),
  theme: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" stroke="none" />
    </>
  ),
  throttled: (
    <>
      <path d="M1.5 4q1.6-1.6 3.2 0t3.3 0 3.3 0 3.2 0M3.8 8.2q1.4-1.4 2.8 0t2.8 0 2.8 0M6 12.4q1-1.2 2 0t2 0" />
    </>
  ),
  told: (
    <>
      <rect x="2" y="3.5" width="12" height="9" rx="1" />
      <path d="m2.5 4.5 5.5 4.5 5.5-4.5" />
    </>
  ),
  trace: (
    <>
      <circle cx="4" cy="3.5" r="1.6" />
      <circle cx="12" cy="12.5" r="1.6" />
      <path d="M4 5.1v2.4c0 1 .6 1.6 1.6 1.6h4.8c1 0 1.6.6 1.6 1.6" />
    </>
  ),
  unworked: (
    <>
      <path d="M6 2.5v3M10 2.5v3M4 5.5h8v2.2a4 4 0 0 1-8 0zM8 11.7V14" />
      <path d="m2 14 12-12" />
    </>
  ),
  up: (
    <>
      <path d="M8 13.5V3M4.2 6.8 8 3l3.8 3.8" />
    </>
  ),
  user: (
    <>
      <circle cx="8" cy="5.5" r="2.8" />
      <path d="M2.8 13.8c.7-3 2.7-4.3 5.2-4.3s4.5 1.3 5.2 4.3" />
    </>
  ),
  warning: (
    <>
      <path d="M8 2 14.5 13.5h-13zM8 6.5v3.2M8 11.7v.1" />
    </>
  ),
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof icons;

/** An icon beside a word: hidden from screen readers, which hear the word. */
export function Icon({ name, className = "" }: { name: IconName; className?: string }) {
  return (
    <svg className={`icon ${className}`.trimEnd()} aria-hidden="true">
      <use href={`#i-${name}`} />
    </svg>
  );
}

/** The symbols and patterns that Icon and the pictures refer to; the layout holds it once. */
export function Sprite() {
  return (
    <svg className="sprite" aria-hidden="true">
      {Object.entries(icons).map(([name, drawing]) => (
        <symbol key={name} id={`i-${name}`} viewBox="0 0 16 16">
          {drawing}
        </symbol>
      ))}
      {/* What is in flight is hatched, what is parked is dotted: no state rests on colour. */}
      <pattern
        id="hatch"
        width="6"
        height="6"
        patternUnits="userSpaceOnUse"
        patternTransform="rotate(45)"
      >
        <rect width="6" height="6" className="f-flight" opacity=".28" />
        <rect width="2.5" height="6" className="f-flight" />
      </pattern>
      <pattern id="dots" width="5" height="5" patternUnits="userSpaceOnUse">
        <rect width="5" height="5" className="f-wait" opacity=".45" />
        <circle cx="2.5" cy="2.5" r="1.3" className="f-wait" />
      </pattern>
      <pattern id="stripe" width="4" height="4" patternUnits="userSpaceOnUse">
        <rect width="4" height="4" className="f-quiet" opacity=".45" />
        <rect width="4" height="1.5" className="f-quiet" />
      </pattern>
    </svg>
  );
}
