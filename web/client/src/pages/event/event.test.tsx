import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import type { Session } from "@/api/me";
import { renderConsole } from "@/testing/renderConsole";
import { hexLines } from "./hexLines";
import { madeEvent } from "./madeEvent";

const one = "/api/v1/events/one";

function session(over: Partial<Session> = {}): Session {
  return {
    name: "ann",
    role: "viewer",
    may_reveal: false,
    auth: "token",
    namespace: "",
    bootstrap: "",
    cluster: null,
    folder: "",
    release: "1",
    url: null,
    ...over,
  };
}

test("an event shows its digits, its headers and its run", async () => {
  renderConsole("/events/line.read/3/17?pipeline=lines", { [one]: madeEvent() });
  expect(await screen.findByText(/9007199254740993/)).toBeTruthy();
  expect(screen.getByText("ce_type")).toBeTruthy();
  expect(screen.getAllByRole("link", { name: "k7mq2vtd4x3aa" }).length).toBeGreaterThan(0);
});

test("hostile data and headers are text", async () => {
  const hostile = "<img src=x onerror=alert(1)>\u202e\u001b[31m";
  const event = madeEvent({
    headers: [{ name: hostile, value: hostile, cut: false }],
    data: { kind: "text", text: hostile, size: 40, cut: false, masked: false },
  });
  renderConsole("/events/line.read/3/17", { [one]: event });
  expect((await screen.findAllByText(/onerror/)).length).toBeGreaterThan(1);
  expect(document.querySelector("img")).toBeNull();
  expect(document.body.textContent).not.toContain("\u202e");
});

test("what is personal is asked for only when somebody wants to see it", async () => {
  const masked = madeEvent({ key: "•••", key_masked: true });
  const { fetched } = renderConsole("/events/line.read/3/17", {
    [one]: masked,
    "/api/v1/session": session({ may_reveal: true }),
  });
  const [button] = await screen.findAllByRole("button", { name: "Reveal" });
  expect(fetched.some((path) => path.includes("reveal"))).toBe(false);
  if (button) await userEvent.click(button);
  expect(fetched.some((path) => path.includes("reveal=true"))).toBe(true);
});

test("who may not see what is personal is offered nothing that shows it", async () => {
  const masked = madeEvent({ key: "•••", key_masked: true });
  renderConsole("/events/line.read/3/17", { [one]: masked, "/api/v1/session": session() });
  expect((await screen.findAllByText("•••")).length).toBeGreaterThan(0);
  expect(screen.queryByRole("button", { name: "Reveal" })).toBeNull();
});

test("a tooltip obeys no mark of direction", async () => {
  const headers = [{ name: "ce_source", value: "till\u202egnp", cut: false }];
  renderConsole("/events/line.read/3/17", { [one]: madeEvent({ headers }) });
  await screen.findByText("ce_source");
  expect(document.querySelector('[title*="\u202e"]')).toBeNull();
});

test("what retention has deleted is said with its place", async () => {
  const problem = {
    title: "Gone",
    status: 410,
    detail: "line.read/3/17 is gone: retention has taken everything before 20",
    code: "event_gone",
  };
  renderConsole("/events/line.read/3/17", { [one]: Response.json(problem, { status: 410 }) });
  expect(await screen.findByText(/retention has taken everything before 20/)).toBeTruthy();
});

test("bytes are shown in lines of 16", () => {
  const lines = hexLines("48656c6c6f00ff".repeat(3));
  expect(lines.map((line) => line.offset)).toEqual(["000000", "000010"]);
  expect(lines[0]?.text).toBe("Hello··Hello··He");
});
