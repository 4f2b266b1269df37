import { expect, test } from "vitest";
import { strandsOf } from "./graphData";
import { layoutGraph } from "./layoutGraph";
import { picture } from "./testPicture";
import { layoutInput } from "./useLayout";
import {
  fitted,
  isInSight,
  LARGEST,
  panned,
  pinched,
  SMALLEST,
  showing,
  startOf,
  type Viewport,
  zoomed,
} from "./viewport";

const layout = layoutGraph(layoutInput(picture, strandsOf(picture)));
const box = { width: 400, height: 120 };
const vast = { width: 4000, height: 3000 };
const whole: Viewport = { x: 0, y: 0, zoom: 1 };

/** The point of the picture that stands at a point of the box. */
function under({ x, y, zoom }: Viewport, point: { x: number; y: number }) {
  return { x: (point.x - x) / zoom, y: (point.y - y) / zoom };
}

test("what is grabbed follows the pointer", () => {
  const viewport = { x: 30, y: -20, zoom: 0.5 };
  const grabbed = under(viewport, { x: 100, y: 80 });
  const after = panned(viewport, { x: 100, y: 80 }, { x: 130, y: 60 });
  expect(under(after, { x: 130, y: 60 })).toEqual(grabbed);
});

test("what is below the pointer stays there while the picture grows, within limits", () => {
  const pointer = { x: 250, y: 40 };
  for (const factor of [1.25, 0.8, 1000, 0.001]) {
    const after = zoomed({ x: -40, y: 10, zoom: 0.9 }, factor, pointer);
    expect(after.zoom).toBeGreaterThanOrEqual(SMALLEST);
    expect(after.zoom).toBeLessThanOrEqual(LARGEST);
    const { x, y } = under(after, pointer);
    expect(x).toBeCloseTo(290 / 0.9);
    expect(y).toBeCloseTo(30 / 0.9);
  }
});

test("two fingers that part make the picture larger by as much, and it stays below both", () => {
  const resting = { x: 100, y: 100 };
  const before = under(whole, { x: 150, y: 100 });
  const after = pinched(whole, resting, { x: 150, y: 100 }, { x: 175, y: 100 });
  expect(after.zoom).toBeCloseTo(1.5);
  expect(under(after, { x: 175, y: 100 }).x).toBeCloseTo(before.x);
  expect(under(after, resting).x).toBeCloseTo(100);
});

test("fingers that meet do not make it endless", () => {
  const one = { x: 100, y: 100 };
  expect(pinched(whole, one, one, { x: 300, y: 100 }).zoom).toBe(LARGEST);
  expect(pinched(whole, one, { x: 300, y: 100 }, one).zoom).toBe(SMALLEST);
});

test("fitted, all of a picture is in its box, in the middle", () => {
  const { x, y, zoom } = fitted(layout, box);
  expect(zoom).toBeLessThan(1);
  expect(x).toBeGreaterThanOrEqual(0);
  expect(y).toBeGreaterThanOrEqual(0);
  expect(2 * x + layout.width * zoom).toBeCloseTo(box.width);
  expect(2 * y + layout.height * zoom).toBeCloseTo(box.height);
});

test("a picture that has room is not made larger", () => {
  expect(fitted(layout, vast).zoom).toBe(1);
});

test("a picture that does not fit begins at its root, or around the stage that is chosen", () => {
  const root = layout.nodes["root:asked"] ?? { x: 0, y: 0 };
  expect(isInSight([root], startOf(layout, box, undefined), box)).toBe(true);
  const flag = layout.nodes["flag"];
  if (!flag) throw new Error("no flag");
  const { x, y } = startOf(layout, box, flag);
  expect(flag.x + x).toBeGreaterThan(0);
  expect(flag.x + x).toBeLessThan(box.width);
  expect(flag.y + y).toBeLessThan(box.height);
});

test("the picture moves to a stage that is out of sight, and stays where the stage is in sight", () => {
  expect(showing(whole, { x: 200, y: 60 }, box)).toBe(whole);
  const moved = showing({ x: 0, y: 0, zoom: 0.5 }, { x: 2000, y: 60 }, box);
  expect({ x: 2000 * 0.5 + moved.x, y: 60 * 0.5 + moved.y }).toEqual({ x: 200, y: 60 });
});

test("a strand whose ends are both out of sight is in sight if it goes across", () => {
  const across = [
    { x: -900, y: 50 },
    { x: 1900, y: 60 },
  ];
  expect(isInSight(across, whole, box)).toBe(true);
  expect(isInSight(across, { ...whole, y: -900 }, box)).toBe(false);
  expect(isInSight([{ x: 900, y: 50 }], { ...whole, zoom: 0.3 }, box)).toBe(true);
});
