/** Until when does it last? */

import { useId, useState } from "react";
import { Segments } from "./Segments";

type Choice = "1h" | "4h" | "1d" | "at" | "none";

const HOURS: Partial<Record<Choice, number>> = { "1h": 1, "4h": 4, "1d": 24 };

/** What a person has chosen: an ISO text or null for no end; undefined while a time is missing. */
export type UntilValue = string | null | undefined;

/** The value that UntilField begins with. */
export function hoursFromNow(hours: number): string {
  return new Date(Date.now() + hours * 3_600_000).toISOString();
}

/** An hour, four, a day, a time of the clock (local time of the browser), or no end. */
export function UntilField({
  onChange,
  initial = "1h",
  required = false,
}: {
  onChange(value: UntilValue): void;
  initial?: Choice;
  /** True where an end must be set. */
  required?: boolean;
}) {
  const [choice, setChoice] = useState<Choice>(initial);
  const [at, setAt] = useState("");
  const label = useId();
  const choose = (next: Choice, time: string) => {
    setChoice(next);
    setAt(time);
    const hours = HOURS[next];
    if (hours !== undefined) onChange(hoursFromNow(hours));
    else if (next === "none") onChange(null);
    else onChange(time ? new Date(time).toISOString() : undefined);
  };
  return (
    <div className="deed-field">
      <span id={label}>Until</span>
      <Segments<Choice>
        label="Until"
        value={choice}
        onChange={(next) => choose(next, at)}
        segments={[
          { value: "1h", label: "1 h" },
          { value: "4h", label: "4 h" },
          { value: "1d", label: "1 d" },
          { value: "at", label: "a time" },
          {
            value: "none",
            label: "no end",
            ...(required ? { refusal: "This needs an end" } : {}),
          },
        ]}
      />
      {choice === "at" && (
        <input
          className="input"
          type="datetime-local"
          aria-labelledby={label}
          value={at}
          onChange={(event) => choose("at", event.target.value)}
        />
      )}
    </div>
  );
}
