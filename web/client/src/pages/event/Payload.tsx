/** What are the data of an event? */

import { Bytes } from "@/ui/figures";
import { Icon } from "@/ui/Icon";
import { JsonView } from "@/ui/JsonView";
import type { ShownData } from "./eventQuery";
import { hexLines } from "./hexLines";

export function Payload({ data }: { data: ShownData }) {
  return (
    <>
      {data.kind === "none" && <p className="faint">No data: a tombstone.</p>}
      {data.kind === "masked" && (
        <p className="faint">
          ••• These data are no JSON and may be personal, so all of them are hidden.
        </p>
      )}
      {data.kind === "bytes" && <HexView hex={data.text} />}
      {(data.kind === "json" || data.kind === "text") && (
        <JsonView text={data.text} cut={data.cut} label="Data" />
      )}
      {data.cut && (
        <p className="small faint">
          It has <Bytes value={data.size} />; all of it is in the download.
        </p>
      )}
      {data.masked && (
        <p className="small masked-note">
          <Icon name="lock" /> What is personal is hidden.
        </p>
      )}
    </>
  );
}

function HexView({ hex }: { hex: string }) {
  return (
    <>
      <p className="small faint">Bytes that are no text</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section className="json" aria-label="Bytes" tabIndex={0}>
        <pre>
          {hexLines(hex).map((line) => (
            <span key={line.offset}>
              <span className="faint">{line.offset}</span> {line.bytes} {line.text}
              {"\n"}
            </span>
          ))}
        </pre>
      </section>
    </>
  );
}
