import { expect, test } from "vitest";
import { joinHead, toldHead } from "./joinHead";

const row = (run: string, opened: number, status = "running") => ({ run, opened, status });
const listed = [row("c", 3), row("b", 2), row("a", 1)];

test("rows that have changed are replaced where they stand", () => {
  const head = [row("c", 3, "completed"), row("b", 2)];
  expect(joinHead(listed, head, false, true).rows).toEqual([
    row("c", 3, "completed"),
    row("b", 2),
    row("a", 1),
  ]);
});

test("new rows take the top, or are counted where somebody reads further below", () => {
  const head = [row("e", 5), row("d", 4), ...listed];
  expect(
    joinHead(listed, head, true, true)
      .rows.map(({ run }) => run)
      .join(""),
  ).toBe("edcba");
  expect(joinHead(listed, head, true, false)).toEqual({ rows: listed, fresh: 2 });
});

test("a row that no longer matches goes, one that is older than the head stays", () => {
  const head = [row("b", 2)];
  expect(
    joinHead(listed, head, false, true)
      .rows.map(({ run }) => run)
      .join(""),
  ).toBe("ba");
  expect(
    joinHead(listed, head, true, true)
      .rows.map(({ run }) => run)
      .join(""),
  ).toBe("b");
});

const all = () => true;
const names = (rows: readonly { run: string }[]) => rows.map(({ run }) => run).join("");

test("a run that the stream tells stands above those that were read", () => {
  const told = [row("d", 4), row("e", 5), row("0", 0)];
  expect(names(toldHead(listed, told, all, listed[0]))).toBe("edcba");
});

test("runs between the head and the list stay when the head is read anew", () => {
  const head = [row("h", 8), row("g", 7)];
  const told = [row("f", 6), row("e", 5), row("d", 4), row("0", 0)];
  expect(names(toldHead(head, told, all, listed[0]))).toBe("hgfed");
});

test("what is told replaces what was read, and takes away what no longer matches", () => {
  const told = [row("c", 3, "failed"), row("b", 2, "completed")];
  const running = ({ status }: { status: string }) => status !== "failed";
  expect(toldHead(listed, told, running, listed[0])).toEqual([
    row("b", 2, "completed"),
    row("a", 1),
  ]);
});
