/** Does the page say what does not run? */

import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { renderConsole } from "@/testing/renderConsole";
import type { Services } from "./queries";
import { serviceTroubles } from "./troubles";

const worker = { client: "worker.load-1", host: "10.0.0.4", partitions: 4 };

const services: Services = {
  kafka: { bootstrap: "kafka:9092", cluster: "abc", oldest_release: "4.0", clock_skew: 7.25 },
  release: "0.1.0",
  services: [
    {
      name: "bookkeeper",
      command: "keep-books",
      health: "working",
      processes: [worker, { ...worker, host: "10.0.0.5", partitions: 0 }],
      behind: 0,
      partitions: 4,
    },
    {
      name: "notifier",
      command: "notify",
      health: "missing",
      processes: [],
      behind: 12_345,
      partitions: 9,
    },
  ],
  stages: [
    {
      pipeline: "p",
      stage: "load",
      external: false,
      processes: [worker],
      lanes: 4,
      assigned: 4,
    },
    { pipeline: "p", stage: "price", external: false, processes: [], lanes: 4, assigned: 0 },
  ],
  pipelines: [
    {
      pipeline: "p",
      version: "p@3",
      published: "2026-11-30T12:00:00Z",
      published_by: "ann",
      draining: ["p@2"],
      reported: "2026-11-30T12:30:00Z",
      reported_by: "ann",
      file: "topology.yaml",
      findings: ["topology.yaml:4:3: no such key"],
      waiting: [],
    },
  ],
};

test("what does not run stands first, with the command that starts it", async () => {
  renderConsole("/services", { "/api/v1/services": services, "/api/v1/pipelines": [] });
  const table = await screen.findByRole("table", { name: "Services" });
  expect(within(table).getByText("does not run")).toBeDefined();
  expect(within(table).getByText(/1 stand by/)).toBeDefined();
  expect(screen.getByText(/start it with farandole notify/)).toBeDefined();
  expect(screen.getByText(/ahead/)).toBeDefined();
  expect(screen.getByText("p@2")).toBeDefined();
});

test("troubles: the file, then services, then stages", () => {
  const words = serviceTroubles(services).map(({ name, words }) => `${name} ${words}`);
  expect(words).toEqual([
    "p has a file that is not fit",
    "notifier does not run",
    "price has no worker",
  ]);
});

test("a pipeline without any worker is one trouble", () => {
  const stages = services.stages.map((each) => ({ ...each, processes: [] }));
  const found = serviceTroubles({ ...services, stages }).map(({ name }) => name);
  expect(found).toEqual(["p", "p", "notifier"]);
});

test("who has no cookie is asked for the token", async () => {
  renderConsole("/services", {
    "/api/v1/session": Response.json({ code: "unauthorized" }, { status: 401 }),
  });
  expect(await screen.findByLabelText("Link or token")).toBeDefined();
});
