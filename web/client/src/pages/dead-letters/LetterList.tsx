/** Which letters has a kind? */

import { cutMiddle, formatCount } from "@/ui/format";
import { SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { MoreButton } from "@/ui/MoreButton";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { PickList } from "@/ui/PickList";
import { State } from "@/ui/State";
import type { Letter, useLetters } from "./letterQueries";

interface LetterListProps {
  query: ReturnType<typeof useLetters>;
  current: string | undefined;
  /** Why a letter would not be replayed, by its name. */
  refusals: ReadonlyMap<string, string>;
  onPick(letter: Letter): void;
}

/** One row a letter: its name, when it died, what it is about, its run. */
export function LetterList({ query, current, refusals, onPick }: LetterListProps) {
  const { rows, error } = query;
  if (error && !rows) return <ErrorNote error={error} what="The list of letters" />;
  if (!rows) return <Loading rows={8} label="Letters" />;
  if (rows.length === 0) return <p className="pane-note soft">None fits.</p>;
  return (
    <>
      <PickList
        label="Letters"
        items={rows}
        itemKey={(letter: Letter) => letterKey(letter)}
        current={current}
        onPick={onPick}
        render={(letter) => (
          <>
            <span className="row">
              <b>
                {letter.stage}/{letter.offset}
              </b>
              <span className="faint">
                <Moment at={letter.time} />
              </span>
            </span>
            <span className="row small soft">
              <LetterWords letter={letter} refusal={refusals.get(letterName(letter))} />
              <span className="id faint" title={letter.run}>
                {cutMiddle(letter.run)}
              </span>
            </span>
          </>
        )}
      />
      <MoreButton query={query} what="letters" />
    </>
  );
}

function LetterWords({ letter, refusal }: { letter: Letter; refusal: string | undefined }) {
  if (letter.settled === "replayed") return <State of="replayed" />;
  if (letter.settled === "discarded") return <State of="skipped">discarded</State>;
  if (refusal)
    return (
      <State of="skipped" tone="dead" title={refusal}>
        refused
      </State>
    );
  const words = letter.label
    ? `${letter.label[0].replace(/(?<=.)_?(id|Id)$/, "")} ${letter.label[1]}`
    : letter.event.split("/").slice(-3).join("/");
  return (
    <span className="cut-end" title={words}>
      <SafeText text={words} />
    </span>
  );
}

/** `29 open, newest first` */
export function letterCount(total: number | undefined, state: string): string {
  if (total === undefined) return "";
  return `${formatCount(total)}${state === "all" ? "" : ` ${state}`}, newest first`;
}

export function letterName(letter: { stage: string; offset: number }): string {
  return `${letter.stage}/${letter.offset}`;
}

export function letterKey(letter: { pipeline: string; stage: string; offset: number }): string {
  return `${letter.pipeline}/${letter.stage}/${letter.offset}`;
}
