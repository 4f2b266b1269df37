import { fireEvent, render, screen } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { KeysProvider } from "@/keyboard/keys";
import { type Column, DataTable } from "./DataTable";

interface Line {
  id: string;
  count: number;
}

const columns: Column<Line>[] = [
  { key: "id", head: "Id", cell: (row) => row.id },
  { key: "count", head: "Count", num: true, label: "count", cell: (row) => row.count },
];

function lines(count: number): Line[] {
  return Array.from({ length: count }, (_, index) => ({ id: `line ${index}`, count: index }));
}

function show(rows: Line[], more: Partial<Parameters<typeof DataTable<Line>>[0]> = {}) {
  return render(
    <KeysProvider>
      <DataTable label="Lines" columns={columns} rows={rows} rowKey={(row) => row.id} {...more} />
    </KeysProvider>,
  );
}

test("few rows are all there", () => {
  show(lines(50));
  expect(screen.getAllByRole("row")).toHaveLength(51);
});

test("of many rows only those in sight are drawn, and the table says how many there are", () => {
  show(lines(10_000), { fill: true });
  expect(screen.getAllByRole("row").length).toBeLessThan(80);
  expect(screen.getByRole("table").getAttribute("aria-rowcount")).toBe("10001");
});

test("J and K move from row to row, and Enter opens one", () => {
  const onOpen = vi.fn();
  show(lines(3), { onOpen });
  fireEvent.keyDown(document.body, { key: "j" });
  fireEvent.keyDown(document.activeElement ?? document.body, { key: "j" });
  fireEvent.keyDown(document.activeElement ?? document.body, { key: "k" });
  fireEvent.keyDown(document.activeElement ?? document.body, { key: "j" });
  fireEvent.keyDown(document.activeElement ?? document.body, { key: "Enter" });
  expect(onOpen).toHaveBeenCalledExactlyOnceWith({ id: "line 1", count: 1 });
});

test("the row that is selected says so", () => {
  show(lines(3), { current: "line 2" });
  expect(screen.getByRole("row", { current: true }).textContent).toBe("line 22");
});

test("a list asks for more when its end is in sight", () => {
  const onEnd = vi.fn();
  show(lines(10), { onEnd });
  expect(onEnd).toHaveBeenCalled();
});
