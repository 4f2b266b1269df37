/** Which services need somebody? */

import type { Trouble } from "@/live/needs";
import { formatCount } from "@/ui/format";
import type { Services } from "./queries";

const why: Record<string, string> = {
  bookkeeper: "runs stay open and nothing is called late",
  scheduler: "no schedule fires",
  notifier: "nobody is told of what fails",
  monitor: "rates and ages are not measured",
};

/** Services that are missing, stages that nobody works, and files that cannot be applied. */
export function serviceTroubles({ services, stages, pipelines }: Services): Trouble[] {
  const missing = services
    .filter(({ health }) => health === "missing")
    .map(
      ({ name, command, behind }): Trouble => ({
        key: name,
        state: "unworked",
        name,
        words: "does not run",
        reason: `${why[name] ?? ""}; start it with farandole ${command}`,
        note: behind > 1 ? `${formatCount(behind)} behind` : "",
        to: "/services",
      }),
    );
  const unworked = stages.filter(({ external, processes }) => !external && processes.length === 0);
  const whole = pipelines
    .map(({ pipeline }) => pipeline)
    .filter((name) => isIdle(stages.filter(({ pipeline }) => pipeline === name)));
  const stopped = whole.map(
    (pipeline): Trouble => ({
      key: pipeline,
      state: "unworked",
      name: pipeline,
      words: "has no worker",
      reason: "none of its stages is worked; start them with farandole work",
      note: "",
      to: `/pipelines/${encodeURIComponent(pipeline)}`,
    }),
  );
  const idle = unworked
    .filter(({ pipeline }) => !whole.includes(pipeline))
    .map(
      ({ pipeline, stage }): Trouble => ({
        key: `${pipeline}/${stage}`,
        state: "unworked",
        name: stage,
        words: "has no worker",
        reason: `start one with farandole work ${stage}`,
        note: "",
        to: `/pipelines/${encodeURIComponent(pipeline)}?stage=${encodeURIComponent(stage)}`,
      }),
    );
  const unfit = pipelines
    .filter(({ findings, waiting }) => findings.length + waiting.length > 0)
    .map(
      ({ pipeline, findings, waiting, reported, version }): Trouble => ({
        key: `file/${pipeline}`,
        state: findings.length > 0 ? "failed" : "waiting",
        name: pipeline,
        words: findings.length > 0 ? "has a file that is not fit" : "has changes that wait",
        reason: `${findings[0] ?? waiting[0] ?? ""}; ${version} stays in force`,
        since: reported === null ? undefined : Date.parse(reported),
        to: `/pipelines/${encodeURIComponent(pipeline)}/editor`,
      }),
    );
  return [...unfit, ...stopped, ...missing, ...idle];
}

function isIdle(stages: Services["stages"]): boolean {
  const own = stages.filter(({ external }) => !external);
  return own.length > 1 && own.every(({ processes }) => processes.length === 0);
}
