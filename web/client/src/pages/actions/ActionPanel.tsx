/** What is recorded of one deed? */

import { CopyCommand } from "@/ui/CopyCommand";
import { type Fact, Facts } from "@/ui/Facts";
import { JsonView, SafeText } from "@/ui/JsonView";
import { Moment, ZoneWord } from "@/ui/Moment";
import { SidePanel } from "@/ui/SidePanel";
import type { Action } from "./queries";
import { Outcome, Target, wayWords } from "./words";

const BEHIND_MS = 60_000;

/** Everything that the record of a deed has, before and after as JSON. */
export function ActionPanel({ action, onClose }: { action: Action; onClose(): void }) {
  return (
    <SidePanel title={action.what} onClose={onClose}>
      <section>
        <Facts facts={factsOf(action)} />
      </section>
      <section>
        <h3>Before</h3>
        <Data value={action.before} none="Nothing was in force, or it is not known." />
      </section>
      <section>
        <h3>After</h3>
        <Data
          value={action.after}
          none={action.result === "ok" ? "Nothing else is recorded." : "Nothing was changed."}
        />
      </section>
      <section>
        <h3>The same in a terminal</h3>
        <CopyCommand command={`farandole actions --what '${action.what}' --json`} />
      </section>
    </SidePanel>
  );
}

function factsOf(action: Action): Fact[] {
  const late = Date.parse(action.recorded) - Date.parse(action.at);
  const facts: Fact[] = [
    {
      label: "When",
      value: <Moment at={action.at} />,
      note: <ZoneWord />,
    },
    { label: "How it ended", value: <Outcome action={action} /> },
    { label: "Who", value: <SafeText text={action.who} />, note: wayWords(action) },
  ];
  if (action.by) facts.push({ label: "For whom", value: <SafeText text={action.by} /> });
  if (action.origin) facts.push({ label: "From", value: <SafeText text={action.origin} /> });
  if (action.target || action.pipeline)
    facts.push({
      label: "Of",
      value: <Target action={action} several={false} />,
      note: action.target && action.pipeline ? `of ${action.pipeline}` : undefined,
    });
  if (action.reason) facts.push({ label: "Why", value: <SafeText text={action.reason} /> });
  facts.push({
    label: "Record",
    value: <span className="id">farandole.actions/0/{action.offset}</span>,
    note:
      Math.abs(late) > BEHIND_MS ? (
        <>
          written <Moment at={action.recorded} /> by the broker’s clock
        </>
      ) : undefined,
  });
  return facts;
}

function Data({ value, none }: { value: unknown; none: string }) {
  if (value === null || value === undefined) return <p className="small faint">{none}</p>;
  return <JsonView text={JSON.stringify(value)} />;
}
