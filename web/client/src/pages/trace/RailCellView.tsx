/** How is the rail drawn beside a row? */

import { classes } from "@/ui/classes";
import { Icon } from "@/ui/Icon";
import { FIRST_X, type RailCell, type RailRow, STEP_X } from "./rail";

export function RailCellView({
  row,
  cell,
  width,
}: {
  row: RailRow;
  cell: RailCell;
  width: number;
}) {
  const x = FIRST_X + STEP_X * row.level;
  const isBad = row.kind === "dead";
  return (
    <td className="trail" style={{ width, minWidth: width }}>
      {cell.lines.map((line) => (
        <span
          key={`${line.level}${line.from}${line.to}${line.dotted}`}
          className={classes(
            "trail-line",
            `from-${line.from}`,
            `to-${line.to}`,
            line.dotted && "dotted",
          )}
          style={{ left: FIRST_X + STEP_X * line.level - 1 }}
        />
      ))}
      {cell.turns && (
        <span
          className={classes("trail-turn", isBad && "bad")}
          style={{ left: x - STEP_X - 1, width: STEP_X }}
        />
      )}
      <Mark row={row} x={x} />
    </td>
  );
}

function Mark({ row, x }: { row: RailRow; x: number }) {
  const style = { left: x - 4 };
  switch (row.kind) {
    case "event":
      return (
        <i
          className={classes(row.is_root ? "ring" : "disc", row.is_target && "sel")}
          style={row.is_root ? { left: x - 5 } : style}
        />
      );
    case "dead":
      return <i className="sq bad" style={style} />;
    case "replay":
      return (
        <i className="back" style={{ left: x - 8 }}>
          <Icon name="again" />
        </i>
      );
    case "discard":
      return (
        <i className="back" style={{ left: x - 8 }}>
          <Icon name="cancelled" />
        </i>
      );
    case "fold":
      return <i className="more-dots" style={style} />;
    default:
      return <i className="sq" style={style} />;
  }
}
