/** Which run is drawn over the graph? */

import { useQuery } from "@tanstack/react-query";
import { get } from "@/api/client";
import { cutMiddle } from "@/ui/format";
import { ChoiceMenu } from "@/ui/Menu";

const NEWEST = 12;

/** All runs, or one of the newest. */
export function RunChoice({
  pipeline,
  run,
  onChange,
}: {
  pipeline: string;
  run: string | undefined;
  onChange(run: string | undefined): void;
}) {
  const { data } = useQuery({
    queryKey: ["runs", "newest", pipeline],
    queryFn: ({ signal }) => get("/api/v1/runs", { query: { pipeline, limit: NEWEST }, signal }),
    staleTime: 10_000,
  });
  const newest = data?.runs.map((row) => ({
    value: row.run,
    label: cutMiddle(row.run),
    note: row.status,
  }));
  const chosen =
    run && !newest?.some((each) => each.value === run)
      ? [{ value: run, label: cutMiddle(run) }]
      : [];
  return (
    <ChoiceMenu
      label="Run"
      choices={[{ value: "", label: "All runs" }, ...chosen, ...(newest ?? [])]}
      value={run ?? ""}
      onChange={(next) => onChange(next || undefined)}
    />
  );
}
