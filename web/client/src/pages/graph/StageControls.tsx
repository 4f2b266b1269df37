/** How is a stage switched, and how fast may it go? */

import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { WriteButton } from "@/ui/WriteButton";
import type { StageFigures } from "./graphData";

// Only who acts needs the forms.
const SwitchDialog = lazy(async () => ({
  default: (await import("../control/SwitchDialog")).SwitchDialog,
}));
const ThrottleDialog = lazy(async () => ({
  default: (await import("../control/ThrottleDialog")).ThrottleDialog,
}));

/** What is in force, and the buttons that change it; what is in force is ended on the page Control. */
export function StageControls({
  pipeline,
  stage,
  figures,
}: {
  pipeline: string;
  stage: string;
  figures: StageFigures | undefined;
}) {
  const [open, setOpen] = useState<"switch" | "throttle">();
  const close = () => setOpen(undefined);
  const code = figures?.condition.code;
  const mode = figures?.mode || (code === "hold" ? "on hold" : "on");
  const isOn = mode === "on";
  return (
    <section>
      <h3>
        Switch <span className="unit">{mode}</span>
      </h3>
      <p className="stage-controls">
        <WriteButton icon="held" onClick={() => setOpen("switch")}>
          Switch…
        </WriteButton>
        <WriteButton icon="throttled" onClick={() => setOpen("throttle")}>
          Throttle…
        </WriteButton>
      </p>
      <p className="small">
        <Link className="link" to="/control" search={{ pipeline, stage } as Record<string, string>}>
          What is in force
        </Link>
      </p>
      <Suspense>
        {open === "switch" && (
          <SwitchDialog pipeline={pipeline} of={{ stage, isOn }} onClose={close} />
        )}
        {open === "throttle" && (
          <ThrottleDialog
            pipeline={pipeline}
            initial={{ kind: "stage", target: stage }}
            onClose={close}
          />
        )}
      </Suspense>
    </section>
  );
}
