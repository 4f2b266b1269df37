/** Which of a few views or filters is on? */

import type { ReactNode } from "react";

export interface Segment<Value extends string> {
  value: Value;
  label: ReactNode;
  /** Why it cannot be chosen. */
  refusal?: string | undefined;
}

/** A row of joined buttons, one of them pressed. */
export function Segments<Value extends string>({
  label,
  segments,
  value,
  onChange,
  className = "",
}: {
  label: string;
  segments: readonly Segment<Value>[];
  value: Value;
  onChange(value: Value): void;
  className?: string;
}) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out as an inline row everywhere
    <div className={`seg ${className}`.trimEnd()} role="group" aria-label={label}>
      {segments.map((segment) => (
        <button
          key={segment.value}
          type="button"
          aria-pressed={segment.value === value}
          className={segment.refusal === undefined ? "" : "off"}
          disabled={segment.refusal !== undefined}
          title={segment.refusal}
          onClick={() => onChange(segment.value)}
        >
          {segment.label}
        </button>
      ))}
    </div>
  );
}
