/** How wide is a text in a picture, and how is one cut that is too wide? */

let context: CanvasRenderingContext2D | null | undefined;

/** The width in px of a text in the console's font; `font` is `11px` or `600 13px`. */
export function textWidth(text: string, font: string): number {
  context ??= typeof OffscreenCanvas === "undefined" ? null : newContext();
  if (!context) return text.length * (font.includes("13") ? 7.6 : 6.2);
  context.font = `${font} Inter, "Inter Variable", system-ui, sans-serif`;
  return context.measureText(text).width;
}

/** The text, or its beginning with an ellipsis if it is wider than `width` px. */
export function fitText(text: string, font: string, width: number): string {
  if (textWidth(text, font) <= width) return text;
  let shown = Math.max(1, Math.floor((text.length * width) / Math.max(1, textWidth(text, font))));
  while (shown > 1 && textWidth(`${text.slice(0, shown)}…`, font) > width) shown -= 1;
  return `${text.slice(0, shown).trimEnd()}…`;
}

function newContext(): CanvasRenderingContext2D | null {
  return new OffscreenCanvas(1, 1).getContext("2d") as unknown as CanvasRenderingContext2D | null;
}
