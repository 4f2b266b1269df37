/** The whole console at an address, with answers of the API by path; for tests. */

import { createMemoryHistory } from "@tanstack/react-router";
import { render } from "@testing-library/react";
import { vi } from "vitest";
import { createQueryClient } from "@/api/queries";
import { Console } from "@/Console";
import { createConsoleRouter } from "@/routes";
import { refusedFields } from "./contract";

/** Answers for paths without their query: data, a Response for an error, or a promise of one. */
export type Answers = Record<string, unknown>;

/** Renders the console at `address`; a path without an answer gets 404, and a body that the API would
 * refuse gets 400, whatever the answer. Returns what was fetched. */
export function renderConsole(address: string, answers: Answers = {}, basepath = "/") {
  const fetched: string[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation((input, init) => {
    const url = new URL(String(input), "http://console");
    fetched.push(url.pathname + url.search);
    const sent = typeof init?.body === "string" ? JSON.parse(init.body) : undefined;
    const refused = refusedFields(init?.method ?? "GET", url.pathname, sent);
    if (refused.length > 0) {
      const problem = { code: "invalid_request", detail: refused.join("; ") };
      return Promise.resolve(Response.json(problem, { status: 400 }));
    }
    const answer = answers[url.pathname];
    if (answer instanceof Promise) return answer;
    if (answer instanceof Response) return Promise.resolve(answer.clone());
    return Promise.resolve(
      answer === undefined
        ? Response.json({ detail: "not there", code: "not_found" }, { status: 404 })
        : Response.json(answer),
    );
  });
  const history = createMemoryHistory({ initialEntries: [address] });
  const router = createConsoleRouter(basepath, history);
  render(<Console router={router} queries={createQueryClient()} />);
  return { fetched, router };
}
