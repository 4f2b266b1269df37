/** Which data contract describes a feed? */

import { useState } from "react";
import { Icon } from "@/ui/Icon";
import { SafeText } from "@/ui/JsonView";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { contractAddress, useContract } from "./queries";

/** The contract as a file; its text is fetched when somebody wants to see it. */
export function ContractSection({ pipeline, event }: { pipeline: string; event: string }) {
  const [open, setOpen] = useState(false);
  const contract = useContract(pipeline, event, open);
  return (
    <section aria-labelledby="contract-head">
      <div className="sub-head">
        <h2 id="contract-head">Data contract</h2>
        <span className="small faint wide-only">
          schema and checks, Open Data Contract Standard
        </span>
        <span className="right">
          <button
            type="button"
            className="btn plain"
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            {open ? "Hide" : "Show"}
          </button>
          <a className="btn" href={contractAddress(pipeline, event)} download>
            <Icon name="download" />
            Download
          </a>
        </span>
      </div>
      {open && contract.isPending && <Loading rows={6} label="Data contract" />}
      {open && contract.isError && (
        <ErrorNote
          error={contract.error}
          what="The data contract"
          onRetry={() => void contract.refetch()}
        />
      )}
      {open && contract.data !== undefined && (
        <div className="quality-contract">
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
          <section className="json" aria-label={`Data contract of ${event}`} tabIndex={0}>
            <pre>
              <SafeText text={contract.data} />
            </pre>
          </section>
        </div>
      )}
    </section>
  );
}
