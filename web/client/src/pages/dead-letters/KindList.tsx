/** Which kinds of dead letters are there? */

import { formatCount } from "@/ui/format";
import { SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { Loading } from "@/ui/PageStates";
import { PickList } from "@/ui/PickList";
import type { Kind } from "./letterQueries";
import { Sparkline } from "./Sparkline";

interface KindListProps {
  kinds: readonly Kind[] | undefined;
  current: Kind | undefined;
  several: boolean;
  onPick(kind: Kind): void;
}

/** One row a kind: stage, what is open, the error, the last one, and when they died. */
export function KindList({ kinds, current, several, onPick }: KindListProps) {
  if (!kinds) return <Loading rows={4} label="Kinds" />;
  return (
    <PickList
      label="Kinds"
      items={kinds}
      itemKey={kindKey}
      current={current && kindKey(current)}
      onPick={onPick}
      render={(kind) => (
        <>
          <span className="row">
            <b>
              {several && <span className="faint">{kind.pipeline} </span>}
              {kind.stage}
            </b>
            <span className="fig">
              <b className={kind.open ? "tone-dead" : "faint"}>{formatCount(kind.open)}</b> open
            </span>
          </span>
          <p>
            <span className="soft">
              <SafeText text={kind.error} />:
            </span>{" "}
            <SafeText text={kind.title} />
          </p>
          <span className="row small faint">
            <span>
              last <Moment at={kind.last} />
              {kind.replayed > 0 && `, ${formatCount(kind.replayed)} replayed`}
              {kind.discarded > 0 && `, ${formatCount(kind.discarded)} discarded`}
            </span>
            <Sparkline counts={kind.counts} settled={kind.open === 0} />
          </span>
        </>
      )}
    />
  );
}

export function kindKey(kind: Kind): string {
  return `${kind.pipeline}/${kind.stage}/${kind.fingerprint}`;
}
