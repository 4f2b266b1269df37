/** Which deeds are asked for? */

import { periods } from "@/navigation/periods";
import { usePipelines } from "@/navigation/pipelines";
import { useFilters } from "@/navigation/search";
import { ChoiceMenu } from "@/ui/Menu";
import { SearchField } from "@/ui/SearchField";
import { Segments } from "@/ui/Segments";
import { useActionNames } from "./queries";

/** Who, what, how it ended and when; all of them stand in the address. */
export function ActionFilters() {
  const [search, change] = useFilters();
  const names = useActionNames().data ?? [];
  const pipelines = usePipelines().data ?? [];
  return (
    <div className="filters">
      <SearchField
        label="Who"
        placeholder="Who"
        value={search["who"] ?? ""}
        onSearch={(who) => change({ who }, { replace: true })}
      />
      <Segments
        label="How it ended"
        value={search["result"] ?? "all"}
        onChange={(result) => change({ result: result === "all" ? undefined : result })}
        segments={[
          { value: "all", label: "All" },
          { value: "ok", label: "Done" },
          { value: "refused", label: "Refused" },
          { value: "failed", label: "Failed" },
        ]}
      />
      <ChoiceMenu
        label="What"
        value={search["what"] ?? ""}
        choices={[
          { value: "", label: "Anything" },
          ...names.map((name) => ({ value: name, label: name })),
        ]}
        onChange={(what) => change({ what })}
      />
      {pipelines.length > 1 && (
        <ChoiceMenu
          label="Pipeline"
          value={search["pipeline"] ?? ""}
          choices={[
            { value: "", label: "All pipelines" },
            ...pipelines.map(({ pipeline }) => ({ value: pipeline, label: pipeline })),
          ]}
          onChange={(pipeline) => change({ pipeline })}
        />
      )}
      <ChoiceMenu
        label="From where"
        className="wide-only"
        value={search["via"] ?? ""}
        choices={[
          { value: "", label: "From anywhere" },
          { value: "cli", label: "Command line" },
          { value: "web", label: "Web" },
          { value: "program", label: "Program" },
        ]}
        onChange={(via) => change({ via })}
      />
      <ChoiceMenu
        label="When"
        value={search["since"] ?? ""}
        choices={[
          { value: "", label: "In 90 days" },
          ...Object.entries(periods).map(([value, { label }]) => ({ value, label })),
        ]}
        onChange={(since) => change({ since })}
      />
    </div>
  );
}
