/** What is in this payload? Text nodes only, whatever it holds. */

import { useMemo } from "react";
import { parseExact, stringifyExact } from "@/api/exactJson";
import { type Piece, showInvisible } from "./invisible";

interface JsonViewProps {
  /** JSON as the server sent it; what is no JSON is shown as it is. */
  text: string;
  /** True if the server cut it: it is then shown as it is, and says so. */
  cut?: boolean | undefined;
  label?: string;
}

/** JSON, one member a line, numbers exact, invisible characters and marks of direction as escapes. */
export function JsonView({ text, cut = false, label = "JSON" }: JsonViewProps) {
  const shown = useMemo(() => (cut ? text : pretty(text)), [text, cut]);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section className="json" aria-label={label} tabIndex={0} dir="ltr">
        <pre>
          <SafeText text={shown} />
        </pre>
      </section>
      {cut && <p className="small faint">Cut here: only the beginning is shown.</p>}
    </>
  );
}

/** Any text of users or producers: invisible characters and marks of direction are shown as escapes. */
export function SafeText({ text }: { text: string }) {
  const pieces = useMemo(() => showInvisible(text), [text]);
  return pieces.map((piece, index) => <SafePiece key={index} {...piece} />);
}

function SafePiece({ text, hidden }: Piece) {
  return hidden ? <mark className="escape">{text}</mark> : text;
}

function pretty(text: string): string {
  try {
    return stringifyExact(parseExact(text), 2);
  } catch {
    return text; // no JSON, two values of one key, or nested too deep
  }
}
