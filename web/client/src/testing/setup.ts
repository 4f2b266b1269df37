/** What jsdom lacks and each test needs. */

import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";

// A busy machine is slow, not wrong.
configure({ asyncUtilTimeout: 20_000 });
afterEach(cleanup);
globalThis.scrollTo = () => {};

/** A stream that is open and tells nothing. */
class SilentEventSource extends EventTarget {
  static readonly CLOSED = 2;
  readonly readyState = 1;

  constructor() {
    super();
    queueMicrotask(() => this.dispatchEvent(new Event("open")));
  }

  close(): void {}
}

globalThis.EventSource = SilentEventSource as unknown as typeof EventSource;
