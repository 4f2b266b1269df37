/** How is the API called? Paths, parameters and answers are those of openapi.json. */

import { basePath } from "./base";
import { Problem, unreachable } from "./problem";
import type { paths } from "./schema";

type Method = "get" | "post" | "put" | "delete" | "patch";

/** The paths that have an operation of this method. */
export type PathsWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never;
}[keyof paths];

type OperationOf<P extends keyof paths, M extends Method> = M extends keyof paths[P]
  ? paths[P][M]
  : never;

type PathParameters<O> = O extends { parameters: { path: infer T } } ? T : undefined;
type QueryParameters<O> = O extends { parameters: { query?: infer T } } ? T : undefined;
type BodyOf<O> = O extends { requestBody?: { content: { "application/json": infer T } } }
  ? T
  : undefined;

/** What an operation answers when it succeeds. */
export type AnswerOf<P extends keyof paths, M extends Method> =
  OperationOf<P, M> extends { responses: infer R }
    ? {
        [S in keyof R & (200 | 201 | 202)]: R[S] extends {
          content: { "application/json": infer T };
        }
          ? T
          : undefined;
      }[keyof R & (200 | 201 | 202)]
    : never;

interface Call<O> {
  path?: PathParameters<O>;
  query?: QueryParameters<O>;
  signal?: AbortSignal;
}

/** Read: `get("/api/v1/runs/{run}", { path: { run } })`. Throws Problem. */
export async function get<P extends PathsWith<"get">>(
  path: P,
  call: Call<OperationOf<P, "get">> = {},
): Promise<AnswerOf<P, "get">> {
  const response = await ask("GET", addressOf(path, call), undefined, call.signal);
  return (await response.json()) as AnswerOf<P, "get">;
}

/** Read as text, for JSON whose numbers must stay exact: give it to JsonView or lossless-json. */
export async function getText<P extends PathsWith<"get">>(
  path: P,
  call: Call<OperationOf<P, "get">> = {},
): Promise<string> {
  const response = await ask("GET", addressOf(path, call), undefined, call.signal);
  return response.text();
}

/** Write: `send("post", "/api/v1/runs/{run}/cancel", { path: { run }, body: {…} })`. Throws Problem. */
export async function send<M extends "post" | "put" | "delete" | "patch", P extends PathsWith<M>>(
  method: M,
  path: P,
  call: Call<OperationOf<P, M>> & { body?: BodyOf<OperationOf<P, M>> },
): Promise<AnswerOf<P, M>> {
  const body = JSON.stringify(call.body ?? {});
  const response = await ask(method.toUpperCase(), addressOf(path, call), body, call.signal);
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as AnswerOf<P, M>;
}

/** The address of a path of the API, for a download or an EventSource. */
export function addressOf(path: string, call: { path?: unknown; query?: unknown } = {}): string {
  const values = (call.path ?? {}) as Record<string, string | number>;
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(values[name] ?? "")),
  );
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries((call.query ?? {}) as Record<string, unknown>)) {
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined && one !== null && one !== "") query.append(name, String(one));
  }
  const asked = query.size ? `?${query}` : "";
  return basePath() + filled.replace(/^\//, "") + asked;
}

async function ask(
  method: string,
  address: string,
  body?: string,
  signal?: AbortSignal,
): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(address, {
      method,
      headers,
      body: body ?? null,
      signal: signal ?? null,
      credentials: "same-origin",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable();
  }
  if (!response.ok) throw await readProblem(response);
  return response;
}

async function readProblem(response: Response): Promise<Problem> {
  try {
    return new Problem(response.status, (await response.json()) as Record<string, unknown>);
  } catch {
    return new Problem(response.status, {});
  }
}
