/** How do a pointer and two fingers move a picture? */

import { type RefObject, useEffect } from "react";
import type { Point } from "./layoutGraph";
import { panned, pinched, type Viewport, zoomed } from "./viewport";

/** A pointer that moves less than so many px has clicked. */
const CLICK_PX = 4;
/** A notch of a wheel counts as so many px of a touchpad. */
const WHEEL_PX = 25;

/** Dragging pans, pinching and Ctrl with the wheel zoom; the wheel alone scrolls the page. `move` is
 * given how the viewport changes, and must stay the same. */
export function usePanZoom(
  ground: RefObject<HTMLElement | null>,
  move: (change: (viewport: Viewport) => Viewport) => void,
): void {
  useEffect(() => {
    const element = ground.current;
    if (!element) return;
    const pointers = new Map<number, Point>();
    let dragged = false;
    const placeOf = (event: MouseEvent): Point => {
      const box = element.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const press = (event: PointerEvent) => {
      if (event.button !== 0) return;
      if (pointers.size === 0) dragged = false;
      pointers.set(event.pointerId, placeOf(event));
    };
    const drag = (event: PointerEvent) => {
      const from = pointers.get(event.pointerId);
      if (!from) return;
      if (event.buttons === 0) return release(event); // let go outside of the page
      const to = placeOf(event);
      if (!dragged && Math.hypot(to.x - from.x, to.y - from.y) < CLICK_PX) return;
      dragged = true;
      element.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, to);
      const resting = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      move((viewport) =>
        resting ? pinched(viewport, resting, from, to) : panned(viewport, from, to),
      );
    };
    const release = (event: PointerEvent) => void pointers.delete(event.pointerId);
    const click = (event: MouseEvent) => {
      // A drag that ends over a stage does not open it; a key (detail 0) does.
      if (dragged && event.detail > 0) event.stopPropagation();
      dragged = false;
    };
    const turn = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
      const turned = Math.max(-WHEEL_PX, Math.min(WHEEL_PX, event.deltaY * lines));
      const fixed = placeOf(event);
      move((viewport) => zoomed(viewport, 2 ** (-turned / 100), fixed));
    };
    const leaving = new AbortController();
    const { signal } = leaving;
    element.addEventListener("pointerdown", press, { signal });
    element.addEventListener("pointermove", drag, { signal });
    element.addEventListener("pointerup", release, { signal });
    element.addEventListener("pointercancel", release, { signal });
    element.addEventListener("click", click, { signal, capture: true });
    element.addEventListener("wheel", turn, { signal, passive: false });
    return () => leaving.abort();
  }, [ground, move]);
}
