/** What happens when a control is ended? */

import { DeedDialog } from "@/ui/DeedDialog";
import { type ControlRow, useEnd } from "./queries";

/** Ends what a row says; the button names the deed. */
export function EndDialog({ row, onClose }: { row: ControlRow; onClose(): void }) {
  const end = useEnd(row);
  const { title, about, deed } = words(row);
  return (
    <DeedDialog
      open
      onClose={onClose}
      title={title}
      about={about}
      deed={deed}
      comment={row.kind !== "drain" && row.kind !== "ignore"}
      busy={end.isPending}
      error={end.error}
      onDo={(comment) => end.mutate(comment, { onSuccess: onClose })}
    />
  );
}

function words(row: ControlRow): { title: string; about: string; deed: string } {
  const name = row.target || row.pipeline;
  switch (row.kind) {
    case "switch":
      if (row.mode === "hold")
        return {
          title: `Release ${name}`,
          about: "It goes on where it stopped: nothing was lost meanwhile.",
          deed: `Release ${name}`,
        };
      return {
        title: `End the ${row.mode} of ${name}`,
        about:
          row.mode === "bypass"
            ? "Its own function handles what comes from now on."
            : "Its own function alone is called from now on; what was found stays in the report.",
        deed: `End ${row.mode}`,
      };
    case "drain":
      return {
        title: `End the drain of ${row.pipeline}`,
        about: "The roots that wait are taken up.",
        deed: "End drain",
      };
    case "ignore":
      return {
        title: `Tell ${name} again`,
        about: "What is unusual about it opens an incident again, from the next run on.",
        deed: "Tell again",
      };
    case "flag":
      return {
        title: `Set ${name} back`,
        about: `Every event gets ${row.otherwise || row.value} again, the default of the file.`,
        deed: `End ${name}`,
      };
    default:
      return {
        title: `End the ${row.kind} of ${name}`,
        about: row.otherwise
          ? `What the file says is valid again: ${row.otherwise}.`
          : "The file sets no rate: it goes as fast as it can.",
        deed: `End ${row.kind}`,
      };
  }
}
