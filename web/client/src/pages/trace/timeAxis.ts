/** Where on a short line does a moment stand, if times in which nothing happened are left out? */

const BREAK = 4; // px between the two hairlines of what is left out
const LONG = 0.3; // of the whole time: a longer pause is left out

export interface TimeAxis {
  xOf(at: number): number;
  /** Where something is left out, and how much, in ms. */
  breaks: { x: number; ms: number }[];
  first: number;
  last: number;
}

/** An axis over these moments (ms), `width` px long. */
export function timeAxis(moments: readonly number[], width: number, margin = 4): TimeAxis {
  const sorted = [...new Set(moments)].sort((a, b) => a - b);
  const first = sorted[0] ?? 0;
  const last = sorted.at(-1) ?? first;
  const whole = Math.max(1, last - first);
  const pauses = sorted
    .slice(1)
    .map((at, index) => ({ from: sorted[index] ?? at, to: at }))
    .filter(({ from, to }) => sorted.length > 2 && to - from > LONG * whole && to - from > 1000);
  const left = pauses.reduce((total, { from, to }) => total + (to - from), 0);
  const shown = Math.max(1, whole - left);
  const room = Math.max(1, width - 2 * margin - pauses.length * BREAK);
  const xOf = (at: number) => {
    let x = margin;
    let from = first;
    for (const pause of pauses) {
      if (at <= pause.from) break;
      x += (room * (pause.from - from)) / shown;
      from = pause.to;
      if (at < pause.to) return x + BREAK / 2;
      x += BREAK;
    }
    return Math.min(width - margin, x + (room * (Math.max(from, at) - from)) / shown);
  };
  return {
    xOf,
    breaks: pauses.map(({ from, to }) => ({ x: xOf(from), ms: to - from })),
    first,
    last,
  };
}
