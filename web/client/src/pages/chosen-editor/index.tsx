/** Whose editor is meant, where the address names no pipeline? */

import { Navigate } from "@tanstack/react-router";
import { useLeaving } from "@/navigation/leaving";
import { useChosenPipeline, usePipelines } from "@/navigation/pipelines";
import { Loading } from "@/ui/PageStates";

/** Leads to the editor of the chosen pipeline once the pipelines are known. */
export default function ChosenEditor() {
  const { isPending } = usePipelines();
  const pipeline = useChosenPipeline();
  const leaving = useLeaving();
  if (isPending || leaving) return <Loading />;
  if (pipeline === undefined) return <Navigate to="/" replace />; // says what is the matter
  return <Navigate to="/pipelines/$pipeline/editor" params={{ pipeline }} replace />;
}
