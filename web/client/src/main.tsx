/** The console, started in the page that the server sent. */

import "./styles/fonts.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/console.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { anchorBase, basePath } from "./api/base";
import { createQueryClient } from "./api/queries";
import { styleNonce } from "./api/styleNonce";
import { Console } from "./Console";
import { createConsoleRouter } from "./routes";

anchorBase(document, location.href);
// Dialogs stop the page behind them from scrolling by a style sheet; this is where they look.
Object.assign(globalThis, { __webpack_nonce__: styleNonce() });
const place = document.getElementById("root");
if (place)
  createRoot(place).render(
    <StrictMode>
      <Console router={createConsoleRouter(basePath())} queries={createQueryClient()} />
    </StrictMode>,
  );
