/** What stands where the list will be? */

import { Bone, useSlow } from "@/ui/PageStates";
import { columnsOf } from "./RunTable";

const widths: Record<string, number> = {
  run: 100,
  version: 18,
  opened: 52,
  took: 40,
  before: 72,
  lines: 48,
  dead: 24,
  flight: 16,
  books: 64,
};

/** The head of the table and pale bars. */
export function RunsLoading() {
  const columns = columnsOf(false, true);
  if (!useSlow(true)) return null;
  return (
    <section aria-busy="true" aria-label="Loading">
      <table className="table">
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.key} className={column.num ? "num" : ""}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {Array.from({ length: 8 }, (_, row) => (
            <tr key={row}>
              {columns.map(({ key, num }) => (
                <td key={key} className={num ? "num" : ""}>
                  <Bone width={widths[key] ?? (key === "status" ? 76 : 110) + ((row * 37) % 60)} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
