/** How does a rate stand under its limit? Pure geometry of the picture. */

/** What was admitted at a moment, a second. */
export interface RateSample {
  at: number;
  perSecond: number;
}

/** How many samples are kept: eight minutes. */
export const MOST_SAMPLES = 240;

/** The samples with a new one, without the oldest beyond MOST_SAMPLES. */
export function withSample(samples: readonly RateSample[], sample: RateSample): RateSample[] {
  const last = samples.at(-1);
  if (last && sample.at <= last.at) return [...samples];
  return [...samples, sample].slice(-MOST_SAMPLES);
}

/** A round end of the axis at or above the most, and its half. */
export function rateScale(most: number): { end: number; half: number } {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  const end = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= most * 1.05);
  const whole = end ?? 10 * power;
  return { end: whole, half: whole / 2 };
}

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** The y of a rate. */
export function rateY(perSecond: number, end: number, box: Box): number {
  return round(box.bottom - (Math.min(perSecond, end) / end) * (box.bottom - box.top));
}

/** The x of a moment in a picture that ends now. */
export function rateX(at: number, from: number, to: number, box: Box): number {
  if (to <= from) return box.right;
  return round(box.left + ((at - from) / (to - from)) * (box.right - box.left));
}

/** The line of the samples; empty for none. */
export function ratePath(samples: readonly RateSample[], end: number, box: Box): string {
  const from = samples[0]?.at ?? 0;
  const to = samples.at(-1)?.at ?? 0;
  return samples
    .map(
      ({ at, perSecond }, index) =>
        `${index === 0 ? "M" : "L"}${rateX(at, from, to, box)} ${rateY(perSecond, end, box)}`,
    )
    .join("");
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}
