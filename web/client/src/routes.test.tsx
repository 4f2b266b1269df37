import { fireEvent, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { renderConsole } from "./testing/renderConsole";

const orderLines = {
  pipeline: "order-lines",
  version: 7,
  published: "2026-11-30T13:58:00Z",
  published_by: "ops1@desk",
  stages: ["plan", "load"],
  events: ["line.priced"],
  roots: ["feed.requested"],
  in_folder: true,
};
const answers = { "/api/v1/pipelines": [orderLines] };

test("the only pipeline is opened at once", async () => {
  const { router } = renderConsole("/", answers);
  await expect.poll(() => router.state.location.pathname).toBe("/pipelines/order-lines");
});

test("several pipelines are listed", async () => {
  const other = { ...orderLines, pipeline: "returns" };
  renderConsole("/", { "/api/v1/pipelines": [orderLines, other] });
  expect(await screen.findByRole("link", { name: "returns" })).toBeTruthy();
});

test("a deep link below a base path opens its page", async () => {
  renderConsole("/x/dead-letters?stage=load", answers, "/x/");
  expect(await screen.findByRole("link", { name: "Dead letters", current: "page" })).toBeTruthy();
});

test("an address without a page says so", async () => {
  renderConsole("/nowhere", answers);
  expect(await screen.findByText("No page has this address")).toBeTruthy();
});

test("Ctrl K goes to a stage by a few letters", async () => {
  const { router } = renderConsole("/runs", answers);
  await screen.findByRole("heading", { level: 1, name: "Runs" });
  fireEvent.keyDown(document.body, { key: "k", ctrlKey: true });
  await userEvent.type(await screen.findByRole("combobox"), "loa");
  await screen.findByRole("option", { name: /^load/ });
  await userEvent.keyboard("{Enter}");
  await expect.poll(() => router.state.location.href).toBe("/pipelines/order-lines?stage=load");
});

test("Ctrl K goes to the editor before the pipelines are known", async () => {
  let tell = (_: Response) => {};
  const told = new Promise<Response>((resolve) => {
    tell = resolve;
  });
  const { router } = renderConsole("/", { "/api/v1/pipelines": told });
  await screen.findByRole("heading", { level: 1, name: "Pipelines" });
  fireEvent.keyDown(document.body, { key: "k", ctrlKey: true });
  await userEvent.type(await screen.findByRole("combobox"), "editor{Enter}");
  tell(Response.json([orderLines]));
  const editor = "/pipelines/order-lines/editor";
  await expect.poll(() => router.state.location.pathname).toBe(editor);
});

test("? lists the keys of the page", async () => {
  renderConsole("/runs", answers);
  await screen.findByRole("heading", { level: 1, name: "Runs" });
  fireEvent.keyDown(document.body, { key: "?" });
  expect(await screen.findByRole("dialog", { name: "Keys" })).toBeTruthy();
  expect(screen.getByText("all keys")).toBeTruthy();
});
