/** What does a repair change in a letter? */

import { Fragment, useMemo } from "react";
import { Icon } from "@/ui/Icon";
import { SafeText } from "@/ui/JsonView";
import type { Check } from "./letterQueries";
import { countChanges, type DiffRow, diffLines, foldRows } from "./lineDiff";

const AROUND = 12; // lines beside a change

/** Both texts side by side; a line that differs has a sign and a tone. */
export function BeforeAfter({
  before,
  check,
  accepts,
}: {
  before: string;
  /** undefined while nothing is changed. */
  check: Check | undefined;
  /** The name of what the stage takes. */
  accepts: string;
}) {
  const after = check?.after || before;
  const rows = useMemo(() => diffLines(before, after), [before, after]);
  const shown = useMemo(() => foldRows(rows, AROUND), [rows]);
  const changes = countChanges(rows);
  return (
    <section>
      <div className="sect-head">
        <h2>Before and after</h2>
        <p className="note">{changes === 1 ? "1 line differs" : `${changes} lines differ`}</p>
      </div>
      <div className="diff">
        <figure>
          <figcaption>as it died</figcaption>
          <Side rows={shown} side="left" />
        </figure>
        <figure>
          <figcaption>
            as it would be replayed{" "}
            {check && (
              <span className="state" data-tone={check.fits ? "ok" : "dead"}>
                <Icon name={check.fits ? "handled" : "cancelled"} />
                {check.fits ? `fits ${accepts}` : `does not fit ${accepts}`}
              </span>
            )}
          </figcaption>
          <Side rows={shown} side="right" />
        </figure>
      </div>
      {check?.problem && (
        <p className="unfit small" role="alert">
          <Icon name="cancelled" /> <SafeText text={check.problem} />
        </p>
      )}
    </section>
  );
}

function Side({ rows, side }: { rows: readonly (DiffRow | number)[]; side: "left" | "right" }) {
  return (
    <pre>
      {rows.map((row, index) => (
        <Fragment key={index}>
          {index > 0 && "\n"}
          <Line row={row} side={side} />
        </Fragment>
      ))}
    </pre>
  );
}

function Line({ row, side }: { row: DiffRow | number; side: "left" | "right" }) {
  if (typeof row === "number")
    return (
      <span className="faint">
        <i />
        <i /> {row} equal {row === 1 ? "line" : "lines"}
      </span>
    );
  const text = side === "left" ? row.left : row.right;
  const number = side === "left" ? row.before : row.after;
  const sign = row.changed && text !== undefined ? (side === "left" ? "−" : "+") : " ";
  const tone = row.changed && text !== undefined ? (side === "left" ? "del" : "ins") : undefined;
  return (
    <span className={tone}>
      <i>{number}</i>
      <i>{sign}</i> <SafeText text={text ?? ""} />
    </span>
  );
}
