/** How are letters settled without a replay? */

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { send } from "@/api/client";
import { asProblem, type Problem } from "@/api/problem";
import { ConfirmDialog } from "@/ui/Dialog";
import { counted } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { sentence } from "@/ui/PageStates";
import type { ReplayBody } from "./letterQueries";

interface DiscardDialogProps {
  open: boolean;
  onClose(): void;
  pipeline: string;
  selection: ReplayBody["selection"];
  onStarted(job: string): void;
}

/** Counts exactly, demands a reason, and names the number on the button. */
export function DiscardDialog({
  open,
  onClose,
  pipeline,
  selection,
  onStarted,
}: DiscardDialogProps) {
  const [problem, setProblem] = useState<Problem>();
  const plan = useQuery({
    queryKey: ["dead-letters", "discard-plan", pipeline, selection],
    queryFn: ({ signal }) =>
      send("post", "/api/v1/dead-letters/discard/preview", {
        body: { pipeline, selection },
        signal,
      }),
    enabled: open,
    staleTime: 0,
    retry: false,
  });
  const total = plan.data?.total ?? 0;
  const discard = async (reason: string) => {
    if (!plan.data) return;
    try {
      const job = await send("post", "/api/v1/dead-letters/discard", {
        body: {
          pipeline,
          selection: { ...selection, through: plan.data.through },
          token: plan.data.token,
          reason,
        },
      });
      setProblem(undefined);
      onStarted(job.id);
    } catch (error) {
      setProblem(asProblem(error));
      await plan.refetch();
    }
  };
  const words = counted(total, "letter");
  return (
    <ConfirmDialog
      open={open}
      onClose={onClose}
      title={plan.data ? `Discard ${words}?` : "Discard?"}
      about={
        total === 1
          ? "It can still be read, with your reason. It is never replayed, and in the books it stays dead."
          : "They can still be read, with your reason. They are never replayed, and in the books they stay dead."
      }
      deed={`Discard ${words}`}
      reason="required"
      danger
      needs="operator"
      busy={plan.isFetching}
      refusal={
        plan.error
          ? asProblem(plan.error).message
          : total === 0
            ? "No letter of these is open"
            : undefined
      }
      onConfirm={discard}
    >
      {problem && (
        <p className="tone-late small" role="alert">
          <Icon name="warning" />{" "}
          {problem.code === "stale_token"
            ? "Something has changed since: nothing was done, and it is counted anew."
            : `${sentence(problem.message)}.`}
        </p>
      )}
    </ConfirmDialog>
  );
}
