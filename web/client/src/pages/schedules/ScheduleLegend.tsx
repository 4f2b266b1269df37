/** What do the marks of a strip mean? */

import type { ReactNode } from "react";

/** One mark and its word, for each that the strips can have. */
export function ScheduleLegend() {
  return (
    <p className="legend keys-row">
      <Key word="fired">
        <rect className="bar" x={6} y={1} width={3} height={14} />
      </Key>
      <Key word="its run is running">
        <use className="s-flight" href="#i-running" x={1} y={1.5} width={13} height={13} />
      </Key>
      <Key word="planned">
        <rect className="plan-mark" x={6} y={1.5} width={3} height={13} />
      </Key>
      <Key word="fired late" width={20}>
        <path className="s-quiet" d="M0 8H14" strokeDasharray="2 2" />
        <rect className="bar" x={15} y={1} width={3} height={14} />
      </Key>
      <Key word="skipped">
        <use className="s-quiet" href="#i-cancelled" x={2} y={2.5} width={11} height={11} />
      </Key>
      <Key word="excluded">
        <use className="s-quiet" href="#i-excluded" x={3} y={3} width={10} height={10} />
      </Key>
      <Key word="missed">
        <use className="s-late" href="#i-missed" x={1} y={1.5} width={13} height={13} />
      </Key>
      <Key word="overdue">
        <use className="s-late" href="#i-late" x={1} y={1.5} width={13} height={13} />
      </Key>
      <Key word="paused">
        <rect fill="url(#dots)" x={1} y={4} width={14} height={8} opacity=".75" />
      </Key>
    </p>
  );
}

function Key({
  word,
  width = 16,
  children,
}: {
  word: string;
  width?: number;
  children: ReactNode;
}) {
  return (
    <span>
      <svg className="pic" viewBox={`0 0 ${width} 16`} width={width} height={16} aria-hidden="true">
        {children}
      </svg>
      {word}
    </span>
  );
}
