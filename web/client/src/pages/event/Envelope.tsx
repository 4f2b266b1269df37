/** What do the headers of an event say? */

import { Link } from "@tanstack/react-router";
import { Age, Bytes } from "@/ui/figures";
import { Icon } from "@/ui/Icon";
import { escapeInvisible } from "@/ui/invisible";
import { SafeText } from "@/ui/JsonView";
import type { EventResult } from "./eventQuery";

interface EnvelopeProps {
  event: EventResult;
  /** Shows what is personal; undefined if that may not be. */
  onReveal?: (() => void) | undefined;
}

export function Envelope({ event, onReveal }: EnvelopeProps) {
  const names = new Set(event.headers.map((header) => header.name));
  const isBare = ![...names].some((name) => name.startsWith("ce_"));
  return (
    <>
      <h3>
        Envelope{" "}
        <span className="unit">
          {event.unreadable ? "unreadable" : isBare ? "a bare record" : "CloudEvents"}
        </span>
      </h3>
      {event.unreadable && (
        <p className="small tone-late">
          <SafeText text={event.unreadable} />
        </p>
      )}
      <dl className="lines env">
        {event.headers.map((header, index) => (
          <div key={`${header.name} ${index}`}>
            <dt>
              <SafeText text={header.name} />
            </dt>
            <dd className="mono" title={escapeInvisible(header.value)}>
              <HeaderValue name={header.name} value={header.value} event={event} />
              {header.cut && "…"}
            </dd>
          </div>
        ))}
        <div>
          <dt>key</dt>
          <dd>
            {event.key === null ? (
              <span className="faint">none</span>
            ) : (
              <span className="mono">
                <SafeText text={event.key} />
              </span>
            )}
            {event.key_masked && onReveal && (
              <button type="button" className="btn plain reveal" onClick={onReveal}>
                <Icon name="eye" />
                Reveal
              </button>
            )}
          </dd>
        </div>
        <div>
          <dt>age, size</dt>
          <dd>
            {event.at !== null && (
              <>
                <Age since={event.at} />,{" "}
              </>
            )}
            <Bytes value={event.data.size} />
          </dd>
        </div>
      </dl>
    </>
  );
}

function HeaderValue({ name, value, event }: { name: string; value: string; event: EventResult }) {
  if (name === "ce_runid" && event.run === value)
    return (
      <Link className="id link" to="/runs/$run" params={{ run: value }}>
        {value}
      </Link>
    );
  if (name === "ce_topologyversion" && event.version !== null)
    return (
      <Link
        className="mono link"
        to="/pipelines/$pipeline"
        params={{ pipeline: event.pipeline }}
        search={{ version: String(event.version) }}
      >
        {value}
      </Link>
    );
  return <SafeText text={value} />;
}
