/** Under which path does the console live? */

/** Make the base that the server wrote into the page absolute. It is relative to the address that
 * the page was loaded from, so this runs once, before the router changes that address. */
export function anchorBase(page: Document, loadedFrom: string): void {
  const written = baseElement(page);
  if (written) written.content = new URL(written.content, loadedFrom).pathname;
}

/** The path that all addresses of the console begin with: `/` or `/x/`. */
export function basePath(page: Document = document): string {
  const path = baseElement(page)?.content ?? "/";
  return path.endsWith("/") ? path : `${path}/`;
}

function baseElement(page: Document): HTMLMetaElement | null {
  return page.querySelector<HTMLMetaElement>('meta[name="base"]');
}
