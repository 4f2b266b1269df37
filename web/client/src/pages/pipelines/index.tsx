/** Which pipelines are there? The only one is opened at once. */

import { Link, Navigate } from "@tanstack/react-router";
import { PageHead } from "@/layout/PageHead";
import { useLeaving } from "@/navigation/leaving";
import { usePipelines } from "@/navigation/pipelines";
import { type Column, DataTable } from "@/ui/DataTable";
import { Count } from "@/ui/figures";
import { Moment, ZoneWord } from "@/ui/Moment";
import { Empty, ErrorNote, Loading } from "@/ui/PageStates";

type Pipeline = NonNullable<ReturnType<typeof usePipelines>["data"]>[number];

const columns: Column<Pipeline>[] = [
  {
    key: "pipeline",
    head: "Pipeline",
    cell: ({ pipeline }) => (
      <Link className="medium" to="/pipelines/$pipeline" params={{ pipeline }}>
        {pipeline}
      </Link>
    ),
  },
  { key: "version", head: "Version", cell: ({ version }) => <>@{version}</> },
  {
    key: "stages",
    head: "Stages",
    label: "stages",
    num: true,
    cell: ({ stages }) => <Count value={stages.length} />,
  },
  {
    key: "published",
    head: (
      <>
        Published, <ZoneWord />
      </>
    ),
    label: "published",
    num: true,
    cell: ({ published }) => <Moment at={published} />,
  },
  { key: "by", head: "By", label: "by", cell: ({ published_by }) => published_by },
];

export default function PipelinesPage() {
  const pipelines = usePipelines();
  const only = pipelines.data?.length === 1 ? pipelines.data[0] : undefined;
  const leaving = useLeaving();
  if (only && !leaving)
    return <Navigate to="/pipelines/$pipeline" params={{ pipeline: only.pipeline }} replace />;
  return (
    <>
      <PageHead title="Pipelines" />
      {pipelines.isPending && <Loading />}
      {pipelines.isError && (
        <ErrorNote
          error={pipelines.error}
          what="The list of pipelines"
          onRetry={() => void pipelines.refetch()}
        />
      )}
      {pipelines.data?.length === 0 && (
        <Empty title="No pipeline is published yet" commands={["farandole apply", "farandole up"]}>
          A pipeline stands here once its topology is published; up does it and starts all services.
        </Empty>
      )}
      {pipelines.data && pipelines.data.length > 0 && (
        <DataTable
          label="Pipelines"
          columns={columns}
          rows={pipelines.data}
          rowKey={(row) => row.pipeline}
        />
      )}
    </>
  );
}
