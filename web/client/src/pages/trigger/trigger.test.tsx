import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, test } from "vitest";
import { renderConsole } from "@/testing/renderConsole";

const forms = {
  pipeline: "lines",
  version: 7,
  events: [
    {
      event_type: "asked",
      data_schema: {
        title: "Asked",
        type: "object",
        properties: { lines: { type: "integer", minimum: 0 } },
        required: ["lines"],
      },
      key: null,
      readers: ["plan"],
      sample: '{\n  "lines": 10\n}',
    },
  ],
};

beforeEach(() => sessionStorage.clear());

test("a root is written by the form of its schema, and its run is opened", async () => {
  const { router } = renderConsole("/trigger", {
    "/api/v1/trigger": { ...forms, run: "k7mq2vtd4x3aa" }, // the same path answers the post
  });
  const lines = await screen.findByLabelText("lines");
  await userEvent.type(lines, "0");
  expect(screen.getByText(/"lines": 100/)).toBeTruthy();
  await userEvent.click(screen.getByRole("button", { name: "Trigger 1 run" }));
  expect(router.state.location.pathname).toBe("/runs/k7mq2vtd4x3aa");
});

test("what is no number is not left out: nothing is checked or published while a field shows it", async () => {
  renderConsole("/trigger", { "/api/v1/trigger": forms });
  const lines = await screen.findByLabelText("lines");
  await userEvent.clear(lines);
  await userEvent.type(lines, "x3");
  const button = screen.getByRole("button", { name: "Trigger 1 run" });
  expect(button.getAttribute("aria-disabled")).toBe("true");
  expect(button.title).toBe("lines must be a whole number");
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Check" }).disabled).toBe(true);
  await userEvent.clear(lines);
  await userEvent.type(lines, "3");
  expect(button.getAttribute("aria-disabled")).toBe("false");
});

test("what its readers refuse is said with the place, and nothing is published", async () => {
  renderConsole("/trigger", {
    "/api/v1/trigger": forms,
    "/api/v1/trigger/check": {
      valid: false,
      problems: [{ stage: "plan", location: ["lines"], message: "must not be prime" }],
    },
  });
  await userEvent.click(await screen.findByRole("button", { name: "Check" }));
  expect(await screen.findByText("refused by plan")).toBeTruthy();
  expect(screen.getAllByText("must not be prime")).toHaveLength(2);
});

test("what was written is there again after another page was looked at", async () => {
  sessionStorage.setItem("farandole.trigger.lines.asked", '{"lines": 9007199254740993}');
  renderConsole("/trigger", { "/api/v1/trigger": forms });
  const lines = await screen.findByLabelText<HTMLInputElement>("lines");
  expect(lines.value).toBe("9007199254740993");
});

test("a pipeline without roots says why nothing can be triggered", async () => {
  renderConsole("/trigger", { "/api/v1/trigger": { ...forms, events: [] } });
  expect(await screen.findByText("Nothing of lines can be triggered")).toBeTruthy();
});
