import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { anchorBase, basePath } from "./base";
import { addressOf, get } from "./client";

let meta: HTMLMetaElement;

beforeEach(() => {
  meta = document.createElement("meta");
  meta.name = "base";
  document.head.append(meta);
});
afterEach(() => meta.remove());

test.each([
  ["./", "http://host/x/runs", "/x/"],
  ["../", "http://host/x/runs/k7mq2", "/x/"],
  ["./", "http://host/", "/"],
])("the base %s of %s is %s, wherever the router goes later", (written, loadedFrom, base) => {
  meta.content = written;
  anchorBase(document, loadedFrom);
  expect(basePath()).toBe(base);
});

test("values in a path are encoded, and parameters without a value are left out", () => {
  meta.content = "/x/";
  expect(
    addressOf("/api/v1/runs/{run}/letters", {
      path: { run: "a/b c" },
      query: { stage: ["load", "price"], q: "", limit: 20, since: undefined },
    }),
  ).toBe("/x/api/v1/runs/a%2Fb%20c/letters?stage=load&stage=price&limit=20");
});

test("an error of the server is a Problem with its code and what to do next", async () => {
  const body = {
    title: "Conflict",
    status: 409,
    detail: "the file has changed",
    code: "stale_token",
    details: ["topology.yaml"],
    next_steps: [{ lead: "plan again", command: "farandole plan", note: "" }],
  };
  vi.spyOn(globalThis, "fetch").mockResolvedValue(Response.json(body, { status: 409 }));
  await expect(get("/api/v1/pipelines")).rejects.toMatchObject({
    status: 409,
    code: "stale_token",
    message: "the file has changed",
    details: ["topology.yaml"],
    nextSteps: [{ lead: "plan again", command: "farandole plan", note: "" }],
  });
});

test("a server that does not answer is a Problem too", async () => {
  vi.spyOn(globalThis, "fetch").mockRejectedValue(new TypeError("failed"));
  await expect(get("/api/v1/pipelines")).rejects.toMatchObject({ status: 0, code: "unreachable" });
});

test("a proxy's page of HTML is a Problem with the status", async () => {
  vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("<html>", { status: 502 }));
  await expect(get("/api/v1/pipelines")).rejects.toMatchObject({ status: 502, code: "http_502" });
});
