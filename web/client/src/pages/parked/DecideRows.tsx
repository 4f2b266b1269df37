/** What becomes of a row that waits, or of all of its kind? */

import { useState } from "react";
import { parseExact, stringifyExact } from "@/api/exactJson";
import { asProblem } from "@/api/problem";
import { JsonField } from "@/forms/JsonField";
import { ConfirmDialog } from "@/ui/Dialog";
import { counted } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { SafeText } from "@/ui/JsonView";
import { sentence } from "@/ui/PageStates";
import { WriteButton } from "@/ui/WriteButton";
import { type Meant, type Row, useOrder } from "./queries";
import { orderedText } from "./words";

const NO_PATCH = "{}";

interface DecideRowsProps {
  pipeline: string;
  stage: string;
  meant: Meant;
  /** How many rows that is. */
  count: number;
  /** The only row, if one is meant. */
  row?: Row | undefined;
}

/** Release, mend and discard, each with a count before it; below them what came of it. */
export function DecideRows({ pipeline, stage, meant, count, row }: DecideRowsProps) {
  const [asked, ask] = useState<"release" | "mend" | "discard">();
  const order = useOrder(pipeline, stage);
  const close = () => ask(undefined);
  const rows = counted(count, "row");
  const begin = (what: typeof asked) => {
    order.reset();
    ask(what);
  };
  const give = (deed: Parameters<typeof order.mutate>[0]["deed"]) =>
    order.mutate({ meant, deed }, { onSuccess: close });
  const refusal = row?.ordered
    ? `${row.ordered.by} has given the order to ${row.ordered.do} it; its lane has not read it yet`
    : count === 0
      ? "No row of these waits"
      : undefined;
  return (
    <>
      <p className="verbs">
        <WriteButton refusal={refusal} onClick={() => begin("release")}>
          {row ? "Release…" : `Release all ${rows}…`}
        </WriteButton>
        <WriteButton refusal={refusal} onClick={() => begin("mend")}>
          {row ? "Mend…" : "Mend all…"}
        </WriteButton>
        <WriteButton refusal={refusal} onClick={() => begin("discard")}>
          {row ? "Discard…" : "Discard all…"}
        </WriteButton>
      </p>
      <p className="small soft" role="status">
        {order.data && `${orderedText(order.data)}.`}
      </p>
      <ConfirmDialog
        open={asked === "release"}
        onClose={close}
        title={`Release ${rows}?`}
        about={`${stage} gets ${count === 1 ? "it as it is" : "them as they are"}; the checks are not asked again.`}
        deed={`Release ${rows}`}
        busy={order.isPending}
        onConfirm={() => give({ do: "release" })}
      >
        <Refused error={order.error} />
      </ConfirmDialog>
      <ConfirmDialog
        open={asked === "discard"}
        onClose={close}
        title={`Discard ${rows}?`}
        about={
          count === 1
            ? "It becomes a dead letter that is settled: it can still be read, with your reason, and is never replayed."
            : "They become dead letters that are settled: they can still be read, with your reason, and are never replayed."
        }
        deed={`Discard ${rows}`}
        reason="required"
        danger
        busy={order.isPending}
        onConfirm={(reason) => give({ do: "discard", reason })}
      >
        <Refused error={order.error} />
      </ConfirmDialog>
      {asked === "mend" && (
        <MendDialog
          row={row}
          rows={rows}
          busy={order.isPending}
          error={order.error}
          onClose={close}
          onMend={(text, whole) =>
            give(whole ? { do: "mend", edited: text } : { do: "mend", patch: text })
          }
        />
      )}
    </>
  );
}

/** The data of one row as JSON, or a merge patch for several and for what is too long to be shown. */
function MendDialog({
  row,
  rows,
  busy,
  error,
  onClose,
  onMend,
}: {
  row: Row | undefined;
  rows: string;
  busy: boolean;
  error: unknown;
  onClose(): void;
  onMend(text: string, whole: boolean): void;
}) {
  const whole = row !== undefined && !row.data_cut;
  const before = whole ? indented(row.data) : NO_PATCH;
  const [text, setText] = useState(before);
  return (
    <ConfirmDialog
      open
      wide
      onClose={onClose}
      title={`Mend ${rows}`}
      about="What is written is judged by the checks again. If the stage does not take it, nothing is changed."
      deed={`Mend ${rows}`}
      refusal={text.trim() === before ? "Nothing is changed yet" : undefined}
      busy={busy}
      onConfirm={() => onMend(text, whole)}
    >
      {row && (
        <p className="tone-wait small">
          <SafeText text={row.message} />
        </p>
      )}
      <JsonField
        label={whole ? "Data as JSON" : "Merge patch"}
        value={text}
        onChange={setText}
        note={
          whole
            ? "••• is personal and stays as it is, unless you write something else."
            : `${row ? "The data are too long to be edited whole. " : ""}A merge patch (RFC 7396): a field replaces the one of its name, null removes it.`
        }
      />
      <Refused error={error} />
    </ConfirmDialog>
  );
}

function Refused({ error }: { error: unknown }) {
  if (!error) return null;
  return (
    <p className="tone-late small" role="alert">
      <Icon name="warning" /> {sentence(asProblem(error).message)}
    </p>
  );
}

function indented(text: string): string {
  try {
    return stringifyExact(parseExact(text), 2);
  } catch {
    return text;
  }
}
