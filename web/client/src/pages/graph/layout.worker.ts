/** Lays graphs out beside the page, so that it stays quick. */

import { type LayoutInput, layoutGraph } from "./layoutGraph";

self.onmessage = (event: MessageEvent<LayoutInput>) => {
  self.postMessage(layoutGraph(event.data));
};
