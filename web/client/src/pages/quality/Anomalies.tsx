/** What was unusual about the last runs of a feed, and what is done about it? */

import { Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useFilters } from "@/navigation/search";
import { formatCount } from "@/ui/format";
import { Icon } from "@/ui/Icon";
import { SafeText } from "@/ui/JsonView";
import { Moment } from "@/ui/Moment";
import { Loading } from "@/ui/PageStates";
import { RunId } from "@/ui/RunId";
import { WriteButton } from "@/ui/WriteButton";
import { chosenAnomaly } from "./anomalyList";
import { isSilence, measuredText, numberName } from "./measured";
import { type Anomaly, type Ignored, useTellAgain } from "./queries";

const Explanation = lazy(async () => ({
  default: (await import("./Explanation")).Explanation,
}));
const MOST = 3;

interface AnomaliesProps {
  pipeline: string;
  anomalies: readonly Anomaly[];
  ignored: readonly Ignored[];
}

/** The newest ones, of which one is explained; then what is not told. */
export function Anomalies({ pipeline, anomalies, ignored }: AnomaliesProps) {
  const [search, change] = useFilters();
  const closed = search["anomaly"] === "none";
  const chosen = closed ? undefined : chosenAnomaly(anomalies, search["anomaly"]);
  const shown = anomalies.slice(0, MOST);
  if (chosen && !shown.includes(chosen)) shown.unshift(chosen);
  return (
    <>
      {shown.map((one) => (
        <section className="anomaly" key={one.id} aria-label={numberName(one)}>
          <Head
            anomaly={one}
            open={one === chosen}
            onToggle={() =>
              change({ anomaly: one === chosen ? "none" : one.id }, { replace: true })
            }
          />
          {one === chosen && (
            <Suspense fallback={<Loading rows={5} label="Explanation" />}>
              <Explanation pipeline={pipeline} anomaly={one} all={anomalies} />
            </Suspense>
          )}
        </section>
      ))}
      {ignored.length > 0 && <IgnoredList pipeline={pipeline} ignored={ignored} />}
    </>
  );
}

function Head({ anomaly, open, onToggle }: { anomaly: Anomaly; open: boolean; onToggle(): void }) {
  const more = (anomaly.others?.length ?? 0) + (anomaly.more ?? 0);
  const text = (value: number) => measuredText(anomaly.kind, value);
  return (
    <header className={anomaly.state === "open" ? "cause late" : "cause over"}>
      <p>
        <b>
          <Icon name={anomaly.state === "open" ? "anomaly" : "handled"} />{" "}
          {isSilence(anomaly) ? (
            <SafeText text={`${anomaly.edge} does not come`} />
          ) : (
            <SafeText text={numberName(anomaly)} />
          )}
          :
        </b>{" "}
        {isSilence(anomaly)
          ? `not for ${text(anomaly.value)}; usual are at most ${text(anomaly.high)}`
          : `${text(anomaly.value)}, expected ${text(anomaly.low)} to ${text(anomaly.high)}`}
        {more > 0 && `; ${formatCount(more)} more with it`}
        {anomaly.state === "over" && (
          <>
            ; over since <Moment at={anomaly.over} />
          </>
        )}
        {anomaly.state === "expected" && (
          <>
            ; normal, says {anomaly.by || "somebody"}: <SafeText text={anomaly.reason ?? ""} />
          </>
        )}
      </p>
      <span className="soft small">
        {!isSilence(anomaly) && <>{anomaly.run ? <RunId id={anomaly.run} /> : "a window"}, </>}
        <Moment at={anomaly.at} />{" "}
        <button type="button" className="btn plain" aria-expanded={open} onClick={onToggle}>
          {open ? "Fold" : "Explain"}
        </button>
      </span>
    </header>
  );
}

/** Numbers that nobody is told about, each with a button that ends it. */
function IgnoredList({ pipeline, ignored }: { pipeline: string; ignored: readonly Ignored[] }) {
  const again = useTellAgain(pipeline);
  return (
    <section className="quality-ignored" aria-label="Not told">
      <ul className="same-time">
        {ignored.map((one) => (
          <li key={one.generation}>
            <Icon name="mute" />
            <SafeText text={ignoredName(one)} /> not told
            {one.until && (
              <span>
                until <Moment at={one.until} />
              </span>
            )}
            <span className="faint">
              <SafeText text={`by ${one.by}: ${one.reason}`} />
            </span>
            <WriteButton kind="plain" busy={again.isPending} onClick={() => again.mutate(one)}>
              Tell again
            </WriteButton>
          </li>
        ))}
      </ul>
      {again.error && (
        <p className="small tone-late" role="alert">
          {again.error.message}
        </p>
      )}
      <p className="small faint">
        All of it is in <Link to="/control">Control</Link>.
      </p>
    </section>
  );
}

function ignoredName({ edge, column, statistic }: Ignored): string {
  const place = [edge, column].filter(Boolean).join(" ");
  return statistic ? `${statistic} of ${place || "the run"}` : `all of ${place}`;
}
