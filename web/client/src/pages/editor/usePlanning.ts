/** How far is the plan of the draft: made, outdated, applied? */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type AnswerOf, send } from "@/api/client";
import { asProblem } from "@/api/problem";
import type { Plan } from "./planWords";
import type { Draft } from "./useDraft";

type FileState = AnswerOf<"/api/v1/topology/file", "get">;

export interface Planning {
  text: string;
  plan: Plan | undefined;
  /** True if the text or the file has changed since the plan. */
  outdated: boolean;
  busy: "plan" | "apply" | undefined;
  /** When the deed began, in ms of the epoch. */
  since: number | undefined;
  problem: unknown;
  /** Why there is another plan than the one that was seen. */
  note: string | undefined;
  applied: AnswerOf<"/api/v1/topology/apply", "post"> | undefined;
  make(): void;
  apply(confirmed: string[]): void;
}

interface State {
  plan?: Plan | undefined;
  /** The text and the revision that were planned. */
  of?: { text: string; revision: string };
  busy?: "plan" | "apply" | undefined;
  since?: number | undefined;
  problem?: unknown;
  note?: string | undefined;
  applied?: Planning["applied"];
}

/** Plans and applies a draft; a plan that is no longer true is made again and must be seen again. */
export function usePlanning(draft: Draft): Planning {
  const queries = useQueryClient();
  const [state, setState] = useState<State>({});
  const { plan, of, busy } = state;
  const outdated = of !== undefined && (of.text !== draft.text || of.revision !== draft.revision);

  const make = async (note?: string) => {
    const { text, revision } = draft;
    setState((now) => ({ applied: note ? now.applied : undefined, busy: "plan", note }));
    try {
      const made = await send("post", "/api/v1/topology/plan", { body: { text, revision } });
      setState((now) => ({ ...now, plan: made, of: { text, revision }, busy: undefined }));
    } catch (problem) {
      setState((now) => ({ ...now, problem, busy: undefined }));
      await lookAgain(problem);
    }
  };

  const apply = async (confirmed: string[]) => {
    if (!plan || !of || outdated) return;
    setState((now) => ({ ...now, busy: "apply", since: Date.now(), problem: undefined }));
    try {
      const body = { ...of, token: plan.token, allow: plan.dangers, confirmed };
      const applied = await send("post", "/api/v1/topology/apply", { body });
      draft.saved(of.text, applied.revision);
      queries.setQueryData<FileState>(
        ["topology", "file"],
        (file) => file && { ...file, text: of.text, revision: applied.revision },
      );
      setState({ applied });
      await queries.invalidateQueries({ queryKey: ["topology"] });
      await queries.invalidateQueries({ queryKey: ["pipelines"] });
    } catch (problem) {
      if (asProblem(problem).code === "stale_token") {
        await make(
          "What is in force or the code has changed since: planned anew, look at it again.",
        );
        return;
      }
      setState((now) => ({ ...now, problem, busy: undefined }));
      await lookAgain(problem);
    }
  };

  /** Somebody else has saved the file: the page asks what is to become of the draft. */
  const lookAgain = async (problem: unknown) => {
    const { code, message } = asProblem(problem);
    const written = /file is written/.test(message);
    if (code !== "file_changed" && !written) return;
    if (code === "file_changed") setState({});
    await queries.invalidateQueries({ queryKey: ["topology", "file"] });
  };

  return {
    text: draft.text,
    plan,
    outdated,
    busy,
    since: state.since,
    problem: state.problem,
    note: state.note,
    applied: state.applied,
    make: () => void make(),
    apply: (confirmed) => void apply(confirmed),
  };
}
