/** The page “Quality”: the feeds with their scores; of one feed its checks and its profile. */

import { asProblem } from "@/api/problem";
import { PageHead } from "@/layout/PageHead";
import { useLiveRefresh } from "@/live/useLive";
import { useChosenPipeline } from "@/navigation/pipelines";
import { useFilters } from "@/navigation/search";
import { counted } from "@/ui/format";
import { Empty, ErrorNote, Loading } from "@/ui/PageStates";
import { PickList } from "@/ui/PickList";
import { FeedState } from "./FeedState";
import { FeedView } from "./FeedView";
import { isAbout, percent, worstFirst } from "./feeds";
import { type Anomaly, type Feed, REFRESH_MS, useScores } from "./queries";
import "./quality.css";

export default function Page() {
  const [search, change] = useFilters();
  const pipeline = useChosenPipeline();
  const scores = useScores(pipeline);
  useLiveRefresh("runs", ["quality"], REFRESH_MS);
  const feeds = scores.data && worstFirst(scores.data.events, scores.data.anomalies);
  const feed = feeds?.find((one) => one.event === search["event"]) ?? feeds?.[0];
  const notProfiled = scores.isError && asProblem(scores.error).code === "not_profiled";
  return (
    <>
      <PageHead title="Quality">
        {scores.data && (
          <p className="small soft wide-only">
            <b className="strong">{counted(scores.data.events.length, "profiled event type")}</b>
            <br />
            <span className="faint">of {scores.data.pipeline}</span>
          </p>
        )}
      </PageHead>
      {scores.isPending && <Loading />}
      {notProfiled && (
        <Empty title="No data are profiled" commands={["farandole profile line.validated"]}>
          Write <code>profile: true</code> or <code>checks:</code> under an event type in
          topology.yaml. Then what its data look like, and whether they pass, stands here.
        </Empty>
      )}
      {scores.isError && !notProfiled && !scores.data && (
        <ErrorNote error={scores.error} what="The scores" onRetry={() => void scores.refetch()} />
      )}
      {feeds && feed && scores.data && (
        <div className="feeds-and-one">
          <details className="pane feeds" open>
            <summary>
              <h2>Feeds</h2>
              <span className="faint">worst first</span>
            </summary>
            <FeedList
              feeds={feeds}
              anomalies={scores.data.anomalies}
              current={feed}
              onPick={(one) => change({ event: one.event, anomaly: undefined })}
            />
          </details>
          <FeedView
            pipeline={scores.data.pipeline}
            feed={feed}
            anomalies={scores.data.anomalies.filter((one) => isAbout(one, feed))}
            ignored={scores.data.ignored.filter((one) => isAbout(one, feed))}
            key={feed.event}
          />
        </div>
      )}
    </>
  );
}

function FeedList({
  feeds,
  anomalies,
  current,
  onPick,
}: {
  feeds: readonly Feed[];
  anomalies: readonly Anomaly[];
  current: Feed;
  onPick(feed: Feed): void;
}) {
  return (
    <PickList
      label="Feeds"
      items={feeds}
      itemKey={(feed) => feed.event}
      current={current.event}
      onPick={onPick}
      render={(feed) => (
        <>
          <span className="row">
            <b>{feed.event}</b>
            <span className="fig">{feed.score === null ? "" : <b>{percent(feed.score)}</b>}</span>
          </span>
          <span className="row small">
            <span className="faint">
              {feed.points.length ? counted(feed.rows, "row") : "no run has ended"}
            </span>
            <FeedState feed={feed} anomalies={anomalies} />
          </span>
        </>
      )}
    />
  );
}
