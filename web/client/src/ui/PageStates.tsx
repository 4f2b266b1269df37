/** What stands where data are missing: loading, empty, error, gone. */

import { type ReactNode, useEffect, useState } from "react";
import { asProblem, type NextStep } from "@/api/problem";
import { CopyCommand } from "./CopyCommand";

/** True once `pending` has lasted 200 ms: what comes sooner needs no sign. */
export function useSlow(pending: boolean, after = 200): boolean {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    setSlow(false);
    if (!pending) return;
    const timer = setTimeout(() => setSlow(true), after);
    return () => clearTimeout(timer);
  }, [pending, after]);
  return slow;
}

/** Pale bars where the rows will be. */
export function Loading({ rows = 8, label = "Loading" }: { rows?: number; label?: string }) {
  const slow = useSlow(true);
  return (
    <section className="loading" aria-busy="true" aria-label={label}>
      {slow &&
        Array.from({ length: rows }, (_, row) => (
          <p key={row}>
            <Bone width={76 + ((row * 37) % 60)} />
            <Bone width={140 + ((row * 53) % 120)} />
            <Bone width={48 + ((row * 29) % 40)} />
          </p>
        ))}
    </section>
  );
}

/** One pale bar. */
export function Bone({ width }: { width: number }) {
  return <i className="bone" style={{ width }} />;
}

/** What would stand here, and the command and the button that fill it. */
export function Empty({
  title,
  children,
  commands = [],
  action,
}: {
  title: string;
  children?: ReactNode;
  commands?: readonly string[];
  action?: ReactNode;
}) {
  return (
    <section className="empty">
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {commands.map((command) => (
        <CopyCommand key={command} command={command} />
      ))}
      {action}
    </section>
  );
}

/** What cannot be read, why, and what to do; the rest of the page goes on. */
export function ErrorNote({
  error,
  what,
  onRetry,
}: {
  error: unknown;
  /** What should stand here: `The list of runs`. */
  what: string;
  onRetry?: () => void;
}) {
  const problem = asProblem(error);
  if (problem.status === 410) return <Gone title={`${what} is gone`}>{problem.message}</Gone>;
  return (
    <section className="empty error-note" role="alert">
      <h2 className="tone-late">{what} cannot be read</h2>
      <p>{sentence(problem.message)}</p>
      {problem.details.length > 0 && <pre>{problem.details.join("\n")}</pre>}
      <NextSteps steps={problem.nextSteps} />
      {onRetry && (
        <button type="button" className="btn" onClick={onRetry}>
          Ask again
        </button>
      )}
    </section>
  );
}

/** Commands that help next, as the server names them. */
export function NextSteps({ steps }: { steps: readonly NextStep[] }) {
  return steps.map((step) => (
    <div key={step.command + step.lead}>
      {step.lead && <p>{sentence(step.lead)}</p>}
      {step.command && <CopyCommand command={step.command} />}
      {step.note && <p className="small faint">{step.note}</p>}
    </div>
  ));
}

/** Deleted by retention: it was there, and where. */
export function Gone({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <section className="empty">
      <h2>{title}</h2>
      <p>{children}</p>
    </section>
  );
}

/** A message of the server as a sentence: a capital at its beginning, unless a name stands there. */
export function sentence(message: string): string {
  return /^[a-z]+[ ,:;]/.test(message)
    ? message.charAt(0).toUpperCase() + message.slice(1)
    : message;
}
