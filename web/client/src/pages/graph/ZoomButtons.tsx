/** How large is the picture? */

import { Icon } from "@/ui/Icon";

const STEP = 1.25;

/** Smaller, larger, all of it; `zoom` is 1 for 100 %. */
export function ZoomButtons({
  zoom,
  onZoom,
  onFit,
}: {
  zoom: number;
  onZoom(factor: number): void;
  onFit(): void;
}) {
  return (
    <span className="zoom">
      <button
        type="button"
        className="btn plain"
        aria-label="Smaller"
        onClick={() => onZoom(1 / STEP)}
      >
        <Icon name="minus" />
      </button>
      {Math.round(zoom * 100)} %
      <button type="button" className="btn plain" aria-label="Larger" onClick={() => onZoom(STEP)}>
        <Icon name="plus" />
      </button>
      <button type="button" className="btn plain" aria-label="Fit" onClick={onFit}>
        <Icon name="fit" />
      </button>
    </span>
  );
}
