import { configure, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, test, vi } from "vitest";
import { renderConsole } from "@/testing/renderConsole";
import { figuresOf, picture } from "./testPicture";

const stop = {
  state: "retired",
  published: "2026-11-30T10:00:00Z",
  published_by: "ops1@desk",
  rollback_of: null,
  retired: null,
};
const graph = {
  pipeline: "p",
  version: 7,
  compared: null,
  versions: [
    { ...stop, version: 6 },
    { ...stop, version: 7, state: "in force" },
  ],
  picture,
  run: null,
};
const load = {
  condition: {
    code: "waiting" as const,
    why: "breaker open, 4 of 4 lanes",
    detail: "OperationalError: gone",
    since: "2026-11-30T12:00:00Z",
    until: null,
  },
  dead: 5507,
};
const answers = {
  "/api/v1/pipelines/p/graph": graph,
  "/api/v1/pipelines/p/figures": figuresOf({ load }),
};

vi.setConfig({ testTimeout: 60_000 });

beforeEach(() => {
  configure({ asyncUtilTimeout: 20_000 }); // the picture's libraries load first
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {}
      unobserve() {}
      disconnect() {}
    },
  );
  vi.stubGlobal(
    "EventSource",
    class {
      addEventListener() {}
      close() {}
    },
  );
});

test("the table says of each event and reader what the picture shows", async () => {
  renderConsole("/pipelines/p?view=table", answers);
  const inFlight = await screen.findByText("267 330");
  const row = inFlight.closest("tr")?.textContent;
  expect(row).toContain("line.pricedloadwaiting");
  expect(row).toContain("5\u202f507");
});

test("what needs somebody stands above the picture, with its reason", async () => {
  renderConsole("/pipelines/p?view=table", answers);
  const reason = await screen.findByText(/OperationalError: gone/);
  expect(reason.closest("a")?.textContent).toContain("load waiting");
});

test("[ goes to the version before", async () => {
  const { router, fetched } = renderConsole("/pipelines/p?view=table", answers);
  await screen.findByRole("slider", { name: "Version" });
  await userEvent.keyboard("[[");
  await waitFor(() => expect(router.state.location.search).toMatchObject({ version: "6" }));
  await waitFor(() => expect(fetched).toContain("/api/v1/pipelines/p/graph?version=6"));
});

test("T changes between graph and table", async () => {
  const { router } = renderConsole("/pipelines/p?view=table", answers);
  await screen.findByRole("slider", { name: "Version" });
  await userEvent.keyboard("t");
  await waitFor(() => expect(router.state.location.search).toMatchObject({ view: "graph" }));
});

test("a row opens the panel of its stage, and Esc closes it", async () => {
  const { router } = renderConsole("/pipelines/p?view=table", answers);
  await userEvent.click(await screen.findByText("breaker", { exact: false, selector: "p" }));
  await waitFor(() => expect(router.state.location.search).toMatchObject({ stage: "load" }));
  expect(await screen.findByRole("complementary", { name: "load" })).toBeTruthy();
  await userEvent.keyboard("{Escape}");
  await waitFor(() => expect(screen.queryByRole("complementary")).toBeNull());
});

test("the event of a row opens its edge, and not the stage that reads it", async () => {
  const { router } = renderConsole("/pipelines/p?view=table", answers);
  const [event] = await screen.findAllByRole("button", { name: "line.priced" });
  await userEvent.click(event as HTMLElement);
  await waitFor(() =>
    expect(router.state.location.search).toMatchObject({ edge: "line.priced>load" }),
  );
  expect(router.state.location.search).not.toHaveProperty("stage");
});

test("a version that is retired says since when, and when it was published", async () => {
  const retired = { ...stop, version: 6, retired: "2026-11-30T11:30:00Z" };
  renderConsole("/pipelines/p?view=table&version=6", {
    ...answers,
    "/api/v1/pipelines/p/graph": { ...graph, version: 6, versions: [retired, graph.versions[1]] },
  });
  const note = await screen.findByText("@6 retired");
  expect(note.parentElement?.textContent).toMatch(
    /^@6 retired since .*11:30:00, published .*10:00:00 by ops1@desk/,
  );
});

test("an edge that is gone since the version compared with has a sign, and nothing flows on it", async () => {
  const edges = picture.edges.map((each) =>
    each.id === "line.priced>load" ? { ...each, mark: "-" as const, said: "gone" } : each,
  );
  renderConsole("/pipelines/p?view=table&compare=6", {
    ...answers,
    "/api/v1/pipelines/p/graph": { ...graph, compared: 6, picture: { ...picture, edges } },
  });
  const [event] = await screen.findAllByRole("button", { name: "line.priced" });
  expect(event?.closest("tr")?.textContent).toBe("− line.pricedload");
});

test("a pipeline that was never applied says what to do", async () => {
  renderConsole("/pipelines/no", {
    "/api/v1/pipelines/no/graph": Response.json(
      {
        detail: "no version of no was ever applied",
        code: "nothing_applied",
        next_steps: [{ lead: "run", command: "farandole apply", note: "" }],
      },
      { status: 404 },
    ),
  });
  expect(await screen.findByText("farandole apply")).toBeTruthy();
});
