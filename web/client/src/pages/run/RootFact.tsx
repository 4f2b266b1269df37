/** What were the data of a run's root? */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { get } from "@/api/client";
import { escapeInvisible } from "@/ui/invisible";
import { SafeText } from "@/ui/JsonView";

export function RootFact({ pipeline, position }: { pipeline: string; position: string }) {
  const root = useQuery({
    queryKey: ["event", pipeline, position, false],
    queryFn: ({ signal }) =>
      get("/api/v1/events/one", { query: { pipeline, event: position }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  const [type = "", partition = "", offset = ""] = splitPosition(position);
  const text = root.data?.data.text.replace(/\s*\n\s*/g, " ") ?? "";
  const shown = text.length > 36 ? `${text.slice(0, 35)}…` : text;
  return (
    <Link
      to="/events/$topic/$partition/$offset"
      params={{ topic: type, partition, offset }}
      search={{ pipeline }}
      title={escapeInvisible(text.slice(0, 500))}
    >
      {root.isError ? (
        <span className="faint">gone by retention</span>
      ) : (
        <code>{shown ? <SafeText text={shown} /> : "no data"}</code>
      )}
    </Link>
  );
}

/** Type, partition and offset of a position: `line.read/3/17`. */
export function splitPosition(position: string): [string, string, string] {
  const parts = position.split("/");
  return [parts.slice(0, -2).join("/"), parts.at(-2) ?? "", parts.at(-1) ?? ""];
}
