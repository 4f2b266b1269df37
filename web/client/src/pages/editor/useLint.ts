/** What does the real linter say of the text, as one types? */

import { useEffect, useRef, useState } from "react";
import { type AnswerOf, send } from "@/api/client";
import { asProblem, type Problem } from "@/api/problem";

type LintAnswer = AnswerOf<"/api/v1/topology/lint", "post">;

export interface Lint {
  /** What was found last; undefined before the first answer. */
  found: LintAnswer | undefined;
  /** True while the text has changed since. */
  pending: boolean;
  problem: Problem | undefined;
}

const QUIET_MS = 350;
const AGAIN_MS = 5_000;

/** Lints the newest text once typing rests; one request at a time, for each imports functions. What
 * was found may be in a function that is corrected elsewhere: then the text is linted again. */
export function useLint(text: string, enabled: boolean): Lint {
  const [lint, setLint] = useState<Lint>({ found: undefined, pending: true, problem: undefined });
  const wanted = useRef(text);
  const asking = useRef(false);
  const round = useRounds(enabled && (lint.found?.findings.length ?? 0) > 0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each round asks again for the same text
  useEffect(() => {
    const isNew = wanted.current !== text;
    wanted.current = text;
    if (!enabled) return;
    if (isNew) setLint((now) => (now.pending ? now : { ...now, pending: true }));
    let left = false;
    const ask = async () => {
      if (asking.current || left) return;
      asking.current = true;
      const asked = wanted.current;
      try {
        const found = await send("post", "/api/v1/topology/lint", { body: { text: asked } });
        setLint({ found, pending: wanted.current !== asked, problem: undefined });
      } catch (error) {
        setLint((now) => ({ ...now, pending: false, problem: asProblem(error) }));
      } finally {
        asking.current = false;
      }
      if (wanted.current !== asked) void ask();
    };
    const timer = setTimeout(ask, QUIET_MS);
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [text, enabled, round]);
  return lint;
}

/** A number that grows when somebody comes back to the window, and every few seconds while they look
 * at it, as long as something was found. */
function useRounds(found: boolean): number {
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (!found) return;
    const next = () => {
      if (document.visibilityState === "visible") setRound((now) => now + 1);
    };
    const timer = setInterval(next, AGAIN_MS);
    window.addEventListener("focus", next);
    return () => {
      clearInterval(timer);
      window.removeEventListener("focus", next);
    };
  }, [found]);
  return round;
}
