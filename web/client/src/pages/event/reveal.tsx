/** Is what is personal shown? Only after somebody has asked for it, and only while the page is open. */

import { useState } from "react";
import { useMayReveal } from "@/api/me";
import { asProblem } from "@/api/problem";
import { type AskedEvent, useEvent } from "./eventQuery";

/** An event, and how what is personal in it is shown. */
export function useRevealedEvent(asked: AskedEvent, enabled = true) {
  const [revealed, setRevealed] = useState<string | undefined>(undefined);
  const mayReveal = useMayReveal();
  const isRevealed = revealed === asked.event;
  const plain = useEvent(asked, enabled);
  const whole = useEvent({ ...asked, reveal: true }, enabled && isRevealed);
  return {
    plain,
    event: (isRevealed ? whole.data : undefined) ?? plain.data,
    isRevealed: isRevealed && whole.data !== undefined,
    refusal: isRevealed && whole.isError ? asProblem(whole.error).message : undefined,
    /** Undefined for whoever may not see it. */
    reveal: mayReveal ? () => setRevealed(asked.event) : undefined,
    hide: () => setRevealed(undefined),
  };
}
