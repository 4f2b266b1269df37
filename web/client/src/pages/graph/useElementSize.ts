/** How large is an element now? */

import { type RefObject, useLayoutEffect, useState } from "react";

/** Its size in px; undefined before it stands on the page. */
export function useElementSize(
  element: RefObject<HTMLElement | null>,
): { width: number; height: number } | undefined {
  const [size, setSize] = useState<{ width: number; height: number }>();
  useLayoutEffect(() => {
    const measured = element.current;
    if (!measured) return;
    const measure = () =>
      setSize({ width: measured.clientWidth || 1, height: measured.clientHeight || 1 });
    measure();
    if (typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(measure);
    observer.observe(measured);
    return () => observer.disconnect();
  }, [element]);
  return size;
}
