import { QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { createQueryClient } from "@/api/queries";
import { PreferencesProvider } from "@/preferences/preferences";
import { PipelineGraph } from "./PipelineGraph";
import { edge, figuresOf, picture, stage } from "./testPicture";

const box = { x: 0, y: 0, left: 0, top: 0, width: 600, height: 300, right: 600, bottom: 300 };

/** jsdom lays nothing out: each element is 600 × 300. */
function drawn(of = picture, props: Partial<Parameters<typeof PipelineGraph>[0]> = {}) {
  vi.spyOn(Element.prototype, "clientWidth", "get").mockReturnValue(box.width);
  vi.spyOn(Element.prototype, "clientHeight", "get").mockReturnValue(box.height);
  vi.spyOn(Element.prototype, "getBoundingClientRect").mockReturnValue(box as DOMRect);
  Element.prototype.setPointerCapture = () => {};
  return render(
    <QueryClientProvider client={createQueryClient()}>
      <PreferencesProvider>
        <PipelineGraph picture={of} figures={figuresOf()} label="p@7" {...props} />
      </PreferencesProvider>
    </QueryClientProvider>,
  );
}

async function sheetOf(name: string) {
  const button = await screen.findByRole("button", { name: new RegExp(`^${name}:`) });
  const sheet = button.closest<HTMLElement>(".flow-sheet");
  const ground = sheet?.parentElement;
  if (!sheet || !ground) throw new Error("no picture");
  return { button, sheet, ground };
}

function drag(from: Element, [x, y]: [number, number], [toX, toY]: [number, number]) {
  const pointer = { pointerId: 1, button: 0, buttons: 1 };
  fireEvent.pointerDown(from, { ...pointer, clientX: x, clientY: y });
  fireEvent.pointerMove(from, { ...pointer, clientX: toX, clientY: toY });
  fireEvent.pointerUp(from, { ...pointer, buttons: 0, clientX: toX, clientY: toY });
  fireEvent.click(from, { detail: 1 });
}

test("a click opens a stage, a drag that begins and ends over it does not", async () => {
  const onStage = vi.fn();
  drawn(picture, { onStage });
  const { button, sheet } = await sheetOf("read");
  const before = sheet.style.transform;
  drag(button, [50, 50], [90, 50]);
  expect(onStage).not.toHaveBeenCalled();
  expect(sheet.style.transform).not.toBe(before);
  drag(button, [50, 50], [51, 50]);
  expect(onStage).toHaveBeenCalledExactlyOnceWith("read");
});

test("Enter opens a stage also after a drag", async () => {
  const onStage = vi.fn();
  drawn(picture, { onStage });
  const { button, ground } = await sheetOf("read");
  const pointer = { pointerId: 1, button: 0, buttons: 1 };
  fireEvent.pointerDown(ground, { ...pointer, clientX: 5, clientY: 5 });
  fireEvent.pointerMove(ground, { ...pointer, clientX: 95, clientY: 5 });
  fireEvent.pointerUp(ground, { ...pointer, buttons: 0 }); // beside the picture: no click follows
  button.focus();
  await userEvent.keyboard("{Enter}");
  expect(onStage).toHaveBeenCalledWith("read");
});

test("a pointer that was let go outside of the page no longer drags", async () => {
  drawn();
  const { sheet, ground } = await sheetOf("read");
  const before = sheet.style.transform;
  fireEvent.pointerDown(ground, { pointerId: 1, button: 0, buttons: 1, clientX: 5, clientY: 5 });
  fireEvent.pointerMove(ground, { pointerId: 1, buttons: 0, clientX: 95, clientY: 95 });
  expect(sheet.style.transform).toBe(before);
});

test("Ctrl with the wheel zooms, the wheel alone scrolls the page", async () => {
  drawn();
  const { sheet, ground } = await sheetOf("read");
  const scrolls = fireEvent.wheel(ground, { deltaY: 100 });
  expect(scrolls).toBe(true);
  expect(sheet.style.transform).toContain("scale(1)");
  expect(fireEvent.wheel(ground, { deltaY: 100, ctrlKey: true })).toBe(false);
  expect(sheet.style.transform).not.toContain("scale(1)");
});

test("the buttons say and change how large it is; far away nothing stands at the edges", async () => {
  drawn();
  await sheetOf("read");
  expect(screen.getByText("coupon.exceeded")).toBeTruthy();
  const smaller = screen.getByRole("button", { name: "Smaller" });
  for (let times = 0; times < 4; times += 1) fireEvent.click(smaller);
  expect(screen.getByText(/^41/)).toBeTruthy();
  expect(screen.queryByText("coupon.exceeded")).toBeNull();
});

test("of many stages those in sight are drawn, and Fit draws more of them", async () => {
  const stages = Array.from({ length: 70 }, (_, index) => stage(`s${index}`));
  const edges = stages.map(({ name }, index) =>
    edge(`e${index}`, index === 0 ? [] : [`s${index - 1}`], name),
  );
  drawn({ stages, edges, events: [] });
  await sheetOf("s0");
  const few = screen.getAllByRole("button", { name: /lanes$/ }).length;
  expect(few).toBeLessThan(10);
  fireEvent.click(screen.getByRole("button", { name: "Fit" }));
  expect(screen.getAllByRole("button", { name: /lanes$/ }).length).toBeGreaterThan(2 * few);
});

test("an event whose data need somebody is marked with a word", async () => {
  const trouble = { key: "k", state: "failed", name: "line.read", words: "check failed" } as const;
  const troubles = new Map([["line.read", { ...trouble, reason: "fair", to: "/quality" }]]);
  const { container } = drawn(picture, { troubles });
  await sheetOf("read");
  const marks = [...container.querySelectorAll(".data-trouble")];
  expect(new Set(marks.map((mark) => mark.textContent))).toEqual(new Set(["▲ check failed"]));
});
