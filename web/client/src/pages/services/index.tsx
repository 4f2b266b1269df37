/** Who runs, which versions, how healthy, how far behind? */

import "./services.css";
import { useSession } from "@/api/me";
import { PageHead } from "@/layout/PageHead";
import { TroubleStrip } from "@/layout/TroubleStrip";
import { type Fact, Facts } from "@/ui/Facts";
import { formatDuration } from "@/ui/format";
import { Empty, ErrorNote, Loading } from "@/ui/PageStates";
import { PipelineTable } from "./PipelineTable";
import { type Services, useServices } from "./queries";
import { ServiceTable } from "./ServiceTable";
import { StageTable } from "./StageTable";
import { serviceTroubles } from "./troubles";

export default function ServicesPage() {
  const services = useServices();
  const { data } = services;
  return (
    <>
      <PageHead title="Services">
        {data && (
          <p className="small soft wide-only">
            as Kafka sees them, wherever they run
            <br />
            <span className="faint">consoles and routers leave no trace there</span>
          </p>
        )}
      </PageHead>
      {services.isPending && <Loading />}
      {services.isError && !data && (
        <ErrorNote
          error={services.error}
          what="What runs"
          onRetry={() => void services.refetch()}
        />
      )}
      {data && <Everything data={data} />}
    </>
  );
}

function Everything({ data }: { data: Services }) {
  const several = data.pipelines.length > 1;
  return (
    <>
      <TroubleStrip troubles={serviceTroubles(data)} />
      <section className="services-part" aria-labelledby="services-head">
        <h2 id="services-head">Services</h2>
        <ServiceTable services={data.services} />
      </section>
      {data.pipelines.length === 0 ? (
        <Empty title="No pipeline is published" commands={["farandole up", "farandole apply"]}>
          The workers of each stage would stand here.
        </Empty>
      ) : (
        <>
          <section className="services-part" aria-labelledby="stages-head">
            <h2 id="stages-head">Workers</h2>
            <StageTable stages={data.stages} several={several} />
          </section>
          <section className="services-part" aria-labelledby="pipelines-head">
            <h2 id="pipelines-head">Pipelines</h2>
            <PipelineTable pipelines={data.pipelines} />
          </section>
        </>
      )}
      <section className="services-part services-facts" aria-labelledby="kafka-head">
        <h2 id="kafka-head">Kafka and this console</h2>
        <InstallationFacts data={data} />
      </section>
    </>
  );
}

/** Above this a clock is worth a word. */
const SKEW_SECONDS = 1;

function InstallationFacts({ data }: { data: Services }) {
  const session = useSession().data;
  const { kafka } = data;
  const skew = kafka.clock_skew;
  const facts: Fact[] = [
    { label: "Kafka", value: kafka.bootstrap, note: `cluster ${kafka.cluster}` },
    {
      label: "Release of Kafka",
      value: kafka.oldest_release ? `${kafka.oldest_release} or newer` : "",
      note: "by what its brokers know",
    },
    {
      label: "Clock",
      value:
        skew === null ? (
          <span className="faint">may not be asked for</span>
        ) : Math.abs(skew) < SKEW_SECONDS ? (
          "as this machine’s"
        ) : (
          <span className="tone-late">
            {formatDuration(Math.abs(skew) * 1000)} {skew > 0 ? "ahead" : "behind"}
          </span>
        ),
    },
    { label: "Farandole", value: data.release, note: "of this console" },
  ];
  if (session)
    facts.push(
      {
        label: "You",
        value: session.name,
        note: `${session.role}${session.may_reveal ? ", may see personal data" : ""}`,
      },
      { label: "Namespace", value: session.namespace || <span className="faint">none</span> },
      { label: "Folder", value: <span className="id">{session.folder}</span> },
    );
  return <Facts facts={facts} />;
}
