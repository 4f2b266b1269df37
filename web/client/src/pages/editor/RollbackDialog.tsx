/** Which earlier version is put in force again, and what does that change? */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type AnswerOf, send } from "@/api/client";
import { asProblem } from "@/api/problem";
import { Dialog } from "@/ui/Dialog";
import { ChoiceMenu } from "@/ui/Menu";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { ApplyForm } from "./ApplyForm";
import { PlanTable } from "./PlanTable";
import { summary, totals } from "./planWords";
import { numberOf, type VersionEntry } from "./VersionHistory";

export type RollbackAnswer = AnswerOf<"/api/v1/topology/{pipeline}/rollback", "post">;

interface RollbackProps {
  pipeline: string;
  /** Newest first. */
  versions: readonly VersionEntry[];
  onClose(): void;
  onDone(answer: RollbackAnswer): void;
}

/** Plans a rollback, and does it. */
export function RollbackDialog(props: RollbackProps) {
  const { pipeline, versions, onClose } = props;
  const earlier = versions.slice(1);
  const [chosen, setChosen] = useState(() => numberOf(earlier[0]?.version ?? "@1"));
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={`Roll ${pipeline} back`}
      about="The content of an earlier version becomes the next one. The file is not changed."
    >
      <p className="roll-choice">
        <span className="label">To version</span>
        <ChoiceMenu
          label={`Version @${chosen}`}
          value={String(chosen)}
          choices={earlier.map((entry) => ({
            value: String(numberOf(entry.version)),
            label: `@${numberOf(entry.version)}`,
            note: entry.rollback_of
              ? `a rollback to @${entry.rollback_of}`
              : summary(entry.changes),
          }))}
          onChange={(value) => setChosen(Number(value))}
        />
      </p>
      <RollbackPlan key={chosen} {...props} version={chosen} />
    </Dialog>
  );
}

function RollbackPlan({ pipeline, version, onDone }: RollbackProps & { version: number }) {
  const queries = useQueryClient();
  const [stale, setStale] = useState(false);
  const plan = useQuery({
    queryKey: ["topology", pipeline, "rollback", version],
    queryFn: ({ signal }) =>
      send("post", "/api/v1/topology/{pipeline}/rollback/plan", {
        path: { pipeline },
        body: { version },
        signal,
      }),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const deed = useMutation({
    mutationFn: (confirmed: string[]) =>
      send("post", "/api/v1/topology/{pipeline}/rollback", {
        path: { pipeline },
        body: {
          version,
          token: plan.data?.token ?? "",
          allow: plan.data?.dangers ?? [],
          confirmed,
        },
      }),
    onSuccess: async (answer) => {
      await queries.invalidateQueries({ queryKey: ["topology"] });
      onDone(answer);
    },
    onError: (error) => {
      if (asProblem(error).code !== "stale_token") return;
      setStale(true);
      void plan.refetch();
    },
  });
  if (plan.isPending) return <Loading rows={3} label="The plan" />;
  if (plan.isError)
    return <ErrorNote error={plan.error} what="The plan" onRetry={() => void plan.refetch()} />;
  const { data } = plan;
  const refused = deed.isError && asProblem(deed.error).code !== "stale_token";
  return (
    <>
      <p className="small soft">
        {pipeline}@{data.newest} → {data.next ? `${pipeline}@${data.next}` : "the same content"};{" "}
        {totals(data.changes)}
      </p>
      {stale && (
        <p className="tone-late" role="alert">
          What is in force has changed since: planned anew, look at it again.
        </p>
      )}
      <PlanTable changes={data.changes} />
      <ApplyForm
        plan={data}
        deed={`Roll back to @${version}${data.next ? ` as @${data.next}` : ""}`}
        busy={deed.isPending}
        refusal={data.next ? undefined : `@${version} has the content that is in force`}
        note={
          deed.isPending
            ? "Publishing…"
            : "What is under way ends as the version it began with. The next save of the file applies that again."
        }
        onApply={(confirmed) => deed.mutate(confirmed)}
      />
      {refused && <ErrorNote error={deed.error} what="The rollback" />}
    </>
  );
}
