/** What is known of one feed: score, trend, checks, profile? */

import { Link } from "@tanstack/react-router";
import { Facts } from "@/ui/Facts";
import { counted, formatCount } from "@/ui/format";
import { Moment } from "@/ui/Moment";
import { ErrorNote, Loading } from "@/ui/PageStates";
import { RunId } from "@/ui/RunId";
import { Anomalies } from "./Anomalies";
import { CheckTable } from "./CheckTable";
import { ContractSection } from "./ContractSection";
import { FeedState } from "./FeedState";
import { newest, percent, repeatedText } from "./feeds";
import { ProfileTable } from "./ProfileTable";
import { type Anomaly, type Feed, type Ignored, useChecks, useProfile } from "./queries";
import { Trend } from "./Trend";

export function FeedView({
  pipeline,
  feed,
  anomalies,
  ignored,
}: {
  pipeline: string;
  feed: Feed;
  anomalies: readonly Anomaly[];
  ignored: readonly Ignored[];
}) {
  const checks = useChecks(pipeline, feed.event);
  const profile = useProfile(pipeline, feed.event);
  const shown = profile.data?.profiles[0];
  const judged = checks.data?.checks ?? [];
  return (
    <article className="feed">
      <header className="sub-head big">
        <h2 className="title">{feed.event}</h2>
        <FeedState feed={feed} anomalies={anomalies} />
        <span className="small soft wide-only">{shown?.stage ? `read by ${shown.stage}` : ""}</span>
        <span className="right">
          <Link className="btn" to="/pipelines/$pipeline" params={{ pipeline }}>
            Graph
          </Link>
        </span>
      </header>
      <FeedFacts feed={feed} />
      <Anomalies pipeline={pipeline} anomalies={anomalies} ignored={ignored} />
      <section aria-labelledby="checks-head">
        <div className="sub-head">
          <h2 id="checks-head">Checks</h2>
          <span className="small faint">row by row, and when a run ends</span>
        </div>
        {checks.isPending && <Loading rows={3} label="Checks" />}
        {checks.isSuccess && judged.length === 0 && <NoChecks />}
        {checks.isError && <NoChecks />}
        {judged.length > 0 && <CheckTable pipeline={pipeline} checks={judged} />}
      </section>
      <section aria-labelledby="profile-head">
        <div className="sub-head">
          <h2 id="profile-head">Profile</h2>
          {shown?.profile && (
            <span className="small faint">
              {counted(shown.profile.columns.length, "column")} of{" "}
              {counted(shown.profile.rows, "row")}, each counted once
              {shown.ended ? "" : "; the run is open, more may come"}
              {repeatedText(shown.profile.repeated)}
            </span>
          )}
        </div>
        {profile.isPending && <Loading rows={4} label="Profile" />}
        {profile.isError && (
          <ErrorNote
            error={profile.error}
            what="The profile"
            onRetry={() => void profile.refetch()}
          />
        )}
        {shown?.profile && <ProfileTable columns={shown.profile.columns} />}
      </section>
      <ContractSection pipeline={pipeline} event={feed.event} />
    </article>
  );
}

function NoChecks() {
  return (
    <p className="quality-none small soft">
      Nothing is checked: write <code>checks:</code> under this event type in topology.yaml.
    </p>
  );
}

function FeedFacts({ feed }: { feed: Feed }) {
  const point = newest(feed);
  if (!point) return <p className="quality-none small soft">No run of it has ended yet.</p>;
  const broken = point.passed === null ? null : point.rows - point.passed;
  return (
    <Facts
      facts={[
        {
          label: "Rows that keep every rule",
          value: point.score === null ? "" : <span className="strong">{percent(point.score)}</span>,
          note:
            point.passed === null
              ? "no rule looks at rows"
              : `${formatCount(point.passed)} of ${formatCount(point.rows)}`,
        },
        {
          label: `The last ${counted(feed.points.length, "run")}`,
          value: <Trend points={feed.points} />,
        },
        {
          label: "Break at least one",
          value: broken === null ? "" : formatCount(broken),
          note: `${formatCount(point.died)} died, ${formatCount(point.unreadable)} are no JSON`,
        },
        {
          label: point.run ? "Run" : "Window",
          value: point.run ? <RunId id={point.run} /> : <Moment at={point.window ?? point.at} />,
          note: (
            <>
              judged <Moment at={point.at} />
            </>
          ),
        },
      ]}
    />
  );
}
