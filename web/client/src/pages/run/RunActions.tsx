/** What can be done with a run? */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { get, send } from "@/api/client";
import { asProblem } from "@/api/problem";
import { ConfirmDialog } from "@/ui/Dialog";
import { counted, formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { JsonView } from "@/ui/JsonView";
import { ErrorNote } from "@/ui/PageStates";
import { WriteButton } from "@/ui/WriteButton";
import type { RunBalance } from "./model";
import { positionOf } from "./RunFacts";

export function RunActions({ run }: { run: RunBalance }) {
  const [open, setOpen] = useState<"again" | "cancel" | "release" | undefined>(undefined);
  const close = () => setOpen(undefined);
  const position = positionOf(run);
  return (
    <>
      {position && (
        <Link
          className="btn wide-only"
          to="/trace/$id"
          params={{ id: position }}
          search={{ pipeline: run.pipeline }}
        >
          <Icon name="trace" />
          Trace
        </Link>
      )}
      <button type="button" className="btn wide-only" onClick={() => download(run)}>
        <Icon name="download" />
        Download
      </button>
      <WriteButton
        icon="again"
        refusal={position ? undefined : "No root opened this run: there is nothing to repeat"}
        onClick={() => setOpen("again")}
      >
        Again
      </WriteButton>
      {Object.keys(run.shut).length > 0 && (
        <WriteButton icon="play" onClick={() => setOpen("release")}>
          Let it in…
        </WriteButton>
      )}
      <WriteButton
        icon="cancelled"
        kind="danger"
        refusal={run.closed === null ? undefined : `The run is over: ${run.status}`}
        onClick={() => setOpen("cancel")}
      >
        Cancel run…
      </WriteButton>
      {open === "again" && <AgainDialog run={run} onClose={close} />}
      {open === "release" && <ReleaseDialog run={run} onClose={close} />}
      {open === "cancel" && <CancelDialog run={run} onClose={close} />}
    </>
  );
}

function AgainDialog({ run, onClose }: { run: RunBalance; onClose(): void }) {
  const navigate = useNavigate();
  const preview = useQuery({
    queryKey: ["again", run.run],
    queryFn: ({ signal }) => get("/api/v1/runs/{run}/again", { path: { run: run.run }, signal }),
    gcTime: 0,
    retry: false,
  });
  const again = useMutation({
    mutationFn: () => send("post", "/api/v1/runs/{run}/again", { path: { run: run.run } }),
    onSuccess: (made) => {
      onClose();
      void navigate({ to: "/runs/$run", params: { run: made.run } });
    },
  });
  const plan = preview.data;
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={<>Run {run.run} again</>}
      about={
        plan
          ? `Publishes its root once more, as ${plan.event_type}. The new run goes on under ${plan.pipeline}@${plan.version}.`
          : "Publishes its root once more. That opens a new run; this one stays as it is."
      }
      deed="Run it again"
      refusal={
        preview.isError
          ? asProblem(preview.error).message
          : plan
            ? undefined
            : "The root is being read"
      }
      busy={again.isPending}
      onConfirm={() => again.mutate()}
    >
      {plan && <JsonView text={plan.data.text} cut={plan.data.cut} label="Data of the root" />}
      {preview.isError && <ErrorNote error={preview.error} what="The root" />}
      {again.isError && <ErrorNote error={again.error} what="The new run" />}
    </ConfirmDialog>
  );
}

function ReleaseDialog({ run, onClose }: { run: RunBalance; onClose(): void }) {
  const queries = useQueryClient();
  const release = useMutation({
    mutationFn: (reason: string) =>
      send("post", "/api/v1/runs/{run}/release", { path: { run: run.run }, body: { reason } }),
    onSuccess: () => {
      onClose();
      void queries.invalidateQueries({ queryKey: ["run", run.run] });
    },
  });
  const failed = Object.values(run.shut).flatMap((checks) => Object.entries(checks));
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      title={
        <>
          Let run {run.run} into {Object.keys(run.shut).join(", ")}
        </>
      }
      about="Its events are handled although a check has failed; the verdict stays in the books. To end the run instead, cancel it."
      deed="Let it in"
      reason="required"
      busy={release.isPending}
      onConfirm={(reason) => release.mutate(reason)}
    >
      <ul>
        {failed.map(([check, why]) => (
          <li key={check}>
            {check} <span className="soft">{why}</span>
          </li>
        ))}
      </ul>
      {release.isError && <ErrorNote error={release.error} what="The release" />}
    </ConfirmDialog>
  );
}

function CancelDialog({ run, onClose }: { run: RunBalance; onClose(): void }) {
  const queries = useQueryClient();
  const preview = useQuery({
    queryKey: ["cancel", run.run],
    queryFn: ({ signal }) => get("/api/v1/runs/{run}/cancel", { path: { run: run.run }, signal }),
    refetchInterval: 2_000,
    gcTime: 0,
    retry: false,
  });
  const cancel = useMutation({
    mutationFn: () => send("post", "/api/v1/runs/{run}/cancel", { path: { run: run.run } }),
    onSuccess: () => {
      onClose();
      void queries.invalidateQueries({ queryKey: ["run", run.run] });
    },
  });
  const edges = preview.data?.in_flight ?? [];
  const events = edges.reduce((total, edge) => total + edge.events, 0);
  return (
    <ConfirmDialog
      open
      onClose={onClose}
      danger
      title={<>Cancel run {run.run}</>}
      about="None of its events is handled any more. What is in flight ends as cancelled; what is handled stays handled. It cannot be undone; the run can be run again."
      deed={preview.data ? `Cancel ${counted(events, "event")}` : "Cancel run"}
      refusal={
        preview.isError
          ? asProblem(preview.error).message
          : preview.data
            ? undefined
            : "What is in flight is being counted"
      }
      busy={cancel.isPending}
      onConfirm={() => cancel.mutate()}
    >
      {edges.length > 0 && (
        <table className="mini">
          <thead>
            <tr>
              <th>Stage</th>
              <th>Event</th>
              <th className="num">In flight</th>
            </tr>
          </thead>
          <tbody>
            {edges.map((edge) => (
              <tr key={edge.edge}>
                <td>
                  {edge.stage}
                  {edge.pause && <span className="tone-wait"> on hold</span>}
                </td>
                <td className="soft">{edge.edge.split(">")[0]}</td>
                <td className="num">{formatCount(edge.events)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {preview.data && edges.length === 0 && (
        <p className="soft">Nothing of it is in flight now; what still comes is cancelled.</p>
      )}
      {cancel.isError && <ErrorNote error={cancel.error} what="The cancellation" />}
    </ConfirmDialog>
  );
}

/** Saves the balance as the API gave it. */
function download(run: RunBalance): void {
  const file = new Blob([JSON.stringify(run, null, 2)], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `run-${run.run}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}
