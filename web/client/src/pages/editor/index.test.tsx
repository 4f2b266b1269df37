import { configure, screen } from "@testing-library/react";
import { beforeEach, expect, test, vi } from "vitest";
import { renderConsole } from "@/testing/renderConsole";

const text = "pipeline: shop\nstages:\n  price: {subscribes: order.placed}\n";
const graph = {
  pipeline: "shop",
  stages: [
    {
      name: "price",
      subscribes: ["order.placed"],
      emits: [],
      when: {},
      run: "w.price:price",
      line: 3,
    },
  ],
  events: [{ name: "order.placed", partitions: 4, key: null, fields: [], line: 3 }],
};
const file = {
  path: "/shop/topology.yaml",
  text,
  revision: "r1",
  saved: "2026-11-30T12:00:00Z",
  unwritable_because: null,
  followed_by: null,
  graph,
};
const versions = [
  {
    version: "shop@2",
    published: "2026-11-30T12:00:00Z",
    published_by: "ops@desk",
    rollback_of: 1,
    retired: null,
    changes: [],
  },
  {
    version: "shop@1",
    published: "2026-11-30T11:00:00Z",
    published_by: "ops@desk",
    rollback_of: null,
    retired: "2026-11-30T12:30:00Z",
    changes: [],
  },
];
const answers = {
  "/api/v1/pipelines": [],
  "/api/v1/topology/file": file,
  "/api/v1/topology/completion": { json_schema: {}, functions: [] },
  "/api/v1/topology/shop/versions": versions,
  "/api/v1/topology/shop/graph": graph,
  "/api/v1/topology/lint": { fit: true, findings: [], graph },
};
const address = "/pipelines/shop/editor";

vi.setConfig({ testTimeout: 60_000 });
configure({ asyncUtilTimeout: 20_000 }); // the page is loaded when it is opened
beforeEach(() => {
  localStorage.clear();
  // jsdom lays nothing out, and CodeMirror measures its text.
  Range.prototype.getClientRects = () => [] as unknown as DOMRectList;
});

test("the text, the graph and the versions of the file are shown", async () => {
  renderConsole(address, answers);
  expect((await screen.findByLabelText("topology.yaml")).textContent).toContain("pipeline: shop");
  expect(await screen.findByRole("button", { name: "stage price" })).toBeTruthy();
  expect(await screen.findByText("a rollback to @1")).toBeTruthy();
  expect(await screen.findByText("retired")).toBeTruthy();
});

test("a draft that was kept comes back, and says that nothing is in force", async () => {
  const kept = { text: `${text}# more\n`, base: text, revision: "r1", at: Date.now() };
  localStorage.setItem(`farandole.draft.${file.path}`, JSON.stringify(kept));
  renderConsole(address, answers);
  expect((await screen.findByLabelText("topology.yaml")).textContent).toContain("# more");
  expect(screen.getByText(/nothing is in force yet/)).toBeTruthy();
  expect(screen.getByRole("button", { name: "Discard draft" })).toBeTruthy();
});

test("a draft of a file that somebody else has saved must be decided about", async () => {
  const kept = { text: `${text}# more\n`, base: text, revision: "r0", at: Date.now() };
  localStorage.setItem(`farandole.draft.${file.path}`, JSON.stringify(kept));
  renderConsole(address, answers);
  expect(await screen.findByText(/Somebody else has saved the file/)).toBeTruthy();
  const plan = await screen.findByRole("button", { name: /^Plan/ });
  expect(plan.title).toMatch(/Decide first/);
});

test("a finding goes once its function is there, without a change of the text", async () => {
  const finding = {
    file: "topology.yaml",
    line: 3,
    column: 3,
    message: "there is no w/price.py",
    remedy: "create it",
    severity: "error",
    code: "function_missing",
  };
  const lint = { fit: false, findings: [finding], graph };
  renderConsole(address, { ...answers, "/api/v1/topology/lint": lint });
  await screen.findByText("1 error");
  lint.findings = [];
  window.dispatchEvent(new Event("focus"));
  expect(await screen.findByText("no error")).toBeTruthy();
});

test("a viewer sees that the file cannot be changed", async () => {
  const { fetched } = renderConsole(address, {
    ...answers,
    "/api/v1/session": { name: "eve", role: "viewer" },
  });
  expect(await screen.findByText("You may look at the file, and not change it.")).toBeTruthy();
  expect(screen.queryByRole("button", { name: /^Plan/ })).toBeNull();
  expect(fetched).not.toContain("/api/v1/topology/lint");
});

test("without a file the page names the command that makes one", async () => {
  const missing = Response.json(
    { detail: "cannot be read", code: "file_unusable", fields: { missing: true } },
    { status: 422 },
  );
  renderConsole(address, { ...answers, "/api/v1/topology/file": missing });
  expect(await screen.findByText("farandole init")).toBeTruthy();
});

test("another pipeline than that of the folder has its versions here, not its file", async () => {
  const other = "/api/v1/topology/other/versions";
  renderConsole("/pipelines/other/editor", { ...answers, [other]: versions });
  expect(await screen.findByText("Its file is not here")).toBeTruthy();
  expect(await screen.findByText("a rollback to @1")).toBeTruthy();
});
