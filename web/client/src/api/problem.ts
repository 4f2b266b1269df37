/** What did the server refuse, why, and what can be done? */

/** What helps next: words, a command, words. */
export interface NextStep {
  lead: string;
  command: string;
  note: string;
}

/** An answer of the server that is no success (RFC 9457), or no answer at all (`unreachable`). */
export class Problem extends Error {
  /** The HTTP status; 0 if no answer came. */
  readonly status: number;
  /** The name of the error, as the command line has it: `stale_token`, `no_run_rows`. */
  readonly code: string;
  /** Complete lines, such as the findings about a file. */
  readonly details: string[];
  readonly fields: Record<string, unknown>;
  readonly nextSteps: NextStep[];

  constructor(status: number, data: Record<string, unknown>) {
    super(text(data["detail"]) || text(data["title"]) || `The server answered ${status}.`);
    this.name = "Problem";
    this.status = status;
    this.code = text(data["code"]) || `http_${status}`;
    this.details = list(data["details"]).map(String);
    this.fields = record(data["fields"]);
    this.nextSteps = list(data["next_steps"]).map((step) => {
      const { lead, command, note } = record(step);
      return { lead: text(lead), command: text(command), note: text(note) };
    });
  }
}

/** No answer came. */
export function unreachable(): Problem {
  return new Problem(0, {
    code: "unreachable",
    detail: "the console’s server does not answer",
    next_steps: [{ lead: "see whether it still runs:", command: "farandole web", note: "" }],
  });
}

/** Any error as a Problem. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, { code: "client_fault", detail: String(error) });
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
