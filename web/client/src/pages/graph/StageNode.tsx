/** How does a stage look in the graph: its name, its state, why above it, what waits and died below? */

import { memo } from "react";
import { formatCount, formatRate } from "@/ui/format";
import { type Look, lookOf } from "./conditions";
import type { GraphStage, StageFigures } from "./graphData";
import type { NodePlace } from "./layoutGraph";
import { SinceText } from "./SinceText";
import { fitText, textWidth } from "./textWidth";

interface StageNodeProps {
  stage: GraphStage;
  place: NodePlace;
  figures: StageFigures | undefined;
  selected: boolean;
  onOpen: (stage: string) => void;
}

/** A node of the graph; Enter or a click opens the panel of its stage. */
export const StageNode = memo(function StageNode(props: StageNodeProps) {
  const { stage, figures, selected, onOpen } = props;
  const { x, y, width, height } = props.place;
  const look = figures && lookOf(figures.condition.code);
  return (
    <div
      className="stage-place"
      style={{ left: x - width / 2, top: y - height / 2, width, height }}
    >
      <svg
        className={`pic node ${nodeClass(stage, look)}`}
        width={width}
        height={height}
        aria-hidden="true"
      >
        {selected && (
          <rect className="pick" x={-4} y={-4} width={width + 8} height={height + 8} rx={7} />
        )}
        <rect x={0.5} y={0.5} width={width - 1} height={height - 1} rx={4} />
        {stage.mark && (
          <text className="sign fig" x={width - 14} y={16}>
            {stage.mark === "-" ? "−" : stage.mark}
          </text>
        )}
        <text className="name mid" x={width / 2} y={19}>
          {stage.name}
        </text>
        <Second stage={stage} figures={figures} look={look} width={width} />
        {figures && look && <Why figures={figures} look={look} width={width} />}
        {figures && <Below figures={figures} stage={stage} width={width} height={height} />}
      </svg>
      <button
        type="button"
        className="stage-node"
        data-stage={stage.name}
        aria-label={labelOf(stage, figures, look)}
        aria-pressed={selected}
        title={[stage.said, stage.run].filter(Boolean).join("\n")}
        onClick={() => onOpen(stage.name)}
      />
    </div>
  );
});

function nodeClass(stage: GraphStage, look: Look | undefined): string {
  if (stage.mark === "+") return "new";
  if (stage.mark === "-") return "lost";
  if (stage.mark === "~") return "chg";
  if (stage.draining !== null) return "old";
  if (!look?.stands) return "";
  return look.tone === "wait" ? "held" : "late";
}

/** What a screen reader says of the stage. */
export function labelOf(
  stage: GraphStage,
  figures: StageFigures | undefined,
  look: Look | undefined,
): string {
  const parts = [`${stage.name}: ${look && figures ? look.word : lanesText(stage.lanes)}`];
  if (figures?.condition.why) parts.push(figures.condition.why);
  if (figures?.parked) parts.push(`${figures.parked} parked`);
  if (figures?.dead) parts.push(`${figures.dead} dead`);
  return parts.join("; ");
}

function lanesText(lanes: number): string {
  return `${lanes} lane${lanes === 1 ? "" : "s"}`;
}

/** The line below the name: the state if it is not on, what is tried beside it, or its lanes. */
function Second({
  stage,
  figures,
  look,
  width,
}: {
  stage: GraphStage;
  figures: StageFigures | undefined;
  look: Look | undefined;
  width: number;
}) {
  if (stage.draining !== null)
    return (
      <text className="mid t-quiet" x={width / 2} y={35}>
        @{stage.draining}
      </text>
    );
  if (!figures || !look || look.of === "on" || (figures.mode && !look.stands))
    return (
      <text className="mid dim" x={width / 2} y={35}>
        {stage.external ? "your program" : lanesText(stage.lanes)}
      </text>
    );
  const { word } = look;
  const left = (width - textWidth(word, "600 11px") - 16) / 2;
  return (
    <>
      <use
        className={`s-${look.tone}`}
        href={`#i-${iconOf(look)}`}
        x={left}
        y={26}
        width={12}
        height={12}
      />
      <text className={`t-${look.tone} w6`} x={left + 16} y={36}>
        {word}
      </text>
    </>
  );
}

function iconOf(look: Look): string {
  const icons: Partial<Record<Look["of"], string>> = { stuck: "late", waiting: "held" };
  return icons[look.of] ?? look.of;
}

/** The reason, above the stage. */
function Why({ figures, look, width }: { figures: StageFigures; look: Look; width: number }) {
  const { why, detail, since } = figures.condition;
  if (!look.stands || !why) return null;
  const room = width + 92;
  return (
    <>
      <path className={`s-${look.tone}`} fill="none" d={`M${width / 2} 0v-10`} />
      <text className={`mid w6 t-${look.tone}`} x={width / 2} y={-30}>
        {fitText(why, "600 11px", room)}
      </text>
      <text className={`mid t-${look.tone}`} x={width / 2} y={-16}>
        {since ? <SinceText at={since} /> : fitText(detail, "11px", room)}
      </text>
      <title>{[why, detail].filter(Boolean).join("; ")}</title>
    </>
  );
}

/** What may be tried beside a stage. */
const TRIED = ["canary", "shadow"] as const;

/** What is parked, beside the stage, and what died, below it. */
function Below({
  figures,
  stage,
  width,
  height,
}: {
  figures: StageFigures;
  stage: GraphStage;
  width: number;
  height: number;
}) {
  const { parked, dead, condition } = figures;
  const stem = parked || figures.mode ? width - 8 : width / 2;
  const waits = `${formatCount(parked)}${figures.parked_more ? "+" : ""} parked`;
  // What is parked ends before the line of the dead.
  const inset = dead > 0 ? Math.min(0, stem - 6 - 16 - textWidth(waits, "11px")) : 0;
  const text = `${formatCount(dead)}${figures.dead_more ? "+" : ""} dead`;
  const left = stem - textWidth(text, "600 14px") / 2 - 9;
  const tried = TRIED.find((mode) => figures.mode.startsWith(mode));
  const next = height + (parked > 0 ? 20 : 6);
  return (
    <>
      {parked > 0 && (
        <>
          <use
            className="s-wait"
            href="#i-parked"
            x={inset}
            y={height + 6}
            width={12}
            height={12}
          />
          <text className="t-wait" x={inset + 16} y={height + 16}>
            {waits}
          </text>
        </>
      )}
      {tried && (
        <>
          <use className="s-flight" href={`#i-${tried}`} x={0} y={next} width={12} height={12} />
          <text className="t-flight" x={16} y={next + 10}>
            {figures.mode}
          </text>
        </>
      )}
      {stage.draining !== null && (
        <>
          <text className="mid t-quiet w6" x={width / 2} y={height + 16}>
            {condition.code === "draining" ? condition.why : `draining under @${stage.draining}`}
          </text>
          <text className="mid t-quiet" x={width / 2} y={height + 30}>
            {condition.code === "draining" ? condition.detail : condition.why}
          </text>
        </>
      )}
      {dead > 0 && stage.draining === null && (
        <>
          <path
            className="s-dead"
            fill="none"
            strokeWidth={1.5}
            d={`M${stem} ${height}v22m-6 0h12`}
          />
          <use
            className="s-dead"
            href="#i-dead"
            x={left - 6}
            y={height + 29}
            width={14}
            height={14}
          />
          <text className="big t-dead" x={left + 13} y={height + 41}>
            {text}
          </text>
          {figures.dead_rate ? (
            <text className="mid dim" x={stem} y={height + 56}>
              {formatRate(figures.dead_rate)}
            </text>
          ) : null}
        </>
      )}
    </>
  );
}
