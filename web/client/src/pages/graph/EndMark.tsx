/** Where does a picture begin and end: the ring of a root, the end of what nobody reads? */

import type { Point } from "./layoutGraph";

export function EndMark({ at, end }: { at: Point; end: "root" | "leaf" }) {
  return end === "root" ? (
    <circle className="s-ink" cx={at.x} cy={at.y} r={4.5} fill="none" strokeWidth={1.5} />
  ) : (
    <path className="hair s-faint" d={`M${at.x} ${at.y - 5}v10`} />
  );
}
