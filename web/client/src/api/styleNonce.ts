/** By which word may a script write a style sheet into the page, whose policy allows none inline? */

/** The nonce that the server wrote into the page; empty in development, where there is no policy. */
export function styleNonce(page: Document = document): string {
  return page.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? "";
}
