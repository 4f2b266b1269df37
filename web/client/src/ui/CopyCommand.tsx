/** Which command does the same? */

import { useState } from "react";
import { Icon } from "./Icon";

/** A command of the shell with a button that copies it. */
export function CopyCommand({ command }: { command: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard?.writeText(command);
    setCopied(true);
    setTimeout(() => setCopied(false), 1200);
  };
  return (
    <div className="command">
      <pre>{command}</pre>
      <button type="button" className="btn plain" onClick={copy}>
        <Icon name={copied ? "handled" : "copy"} />
        {copied ? "Copied" : "Copy"}
      </button>
    </div>
  );
}
