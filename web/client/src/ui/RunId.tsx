/** How is an id shown and copied? */

import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { classes } from "./classes";
import { cutMiddle } from "./format";

/** An id of any kind: cut in its middle unless whole, copied whole by a click. */
export function CopyId({ id, whole = false }: { id: string; whole?: boolean }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard?.writeText(id);
    setCopied(true);
    setTimeout(() => setCopied(false), 1200);
  };
  return (
    <button
      type="button"
      className={classes("id", copied && "copied")}
      title={copied ? "Copied" : `${id}\nClick to copy`}
      onClick={copy}
    >
      {whole ? id : cutMiddle(id)}
    </button>
  );
}

/** A run's id: a link to the run; `copy` makes it a button that copies instead. `accent`: the link
 * stands in a sentence or among facts, and not in a row that opens the run. */
export function RunId({
  id,
  whole = false,
  copy = false,
  accent = false,
}: {
  id: string;
  whole?: boolean;
  copy?: boolean;
  accent?: boolean;
}) {
  if (copy) return <CopyId id={id} whole={whole} />;
  return (
    <Link
      className={classes("id", accent && "link")}
      to="/runs/$run"
      params={{ run: id }}
      title={id}
    >
      {whole ? id : cutMiddle(id)}
    </Link>
  );
}
