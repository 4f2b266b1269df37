/** How are many rows of one kind shown? */

import { useVirtualizer, useWindowVirtualizer, type VirtualItem } from "@tanstack/react-virtual";
import {
  type ReactNode,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { useKeys } from "@/keyboard/keys";
import { classes } from "./classes";
import { useNarrow } from "./useNarrow";

export interface Column<Row> {
  key: string;
  /** The words of the column's head, with its unit. */
  head: ReactNode;
  cell(row: Row): ReactNode;
  /** Figures stand at the right. */
  num?: boolean;
  /** The least width in px; give it, so that columns keep their place when values change. */
  width?: number;
  className?: string | undefined;
  /** On a narrow screen: the word before the value; the first two columns need none. */
  label?: string | undefined;
  /** On a narrow screen: a line of its own. */
  line?: boolean | undefined;
}

export interface DataTableProps<Row> {
  /** What the rows are, for screen readers: `Runs`. */
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey(row: Row): string;
  /** By Enter, or by a click beside a link or button. */
  onOpen?: ((row: Row) => void) | undefined;
  /** The key of the row that is selected. */
  current?: string | undefined;
  /** How many rows there are in all, those that are not read yet included. */
  total?: number | undefined;
  /** Called when the last rows come into sight. */
  onEnd?: (() => void) | undefined;
  /** Scroll inside of the rest of the page, under a head that stays; else with the page. */
  fill?: boolean;
  /** Rows of two lines, 44 px. */
  tall?: boolean;
  rowClass?: ((row: Row) => string | undefined) | undefined;
  /** Which rows are in sight, from 1; for `1 to 22 of 10 412`. */
  onSight?: ((first: number, last: number) => void) | undefined;
  /** False if another table of the page has J, K and Enter. */
  keys?: boolean;
  className?: string;
  /** The element that scrolls, for a page that scrolls it; only with `fill`. */
  box?: RefObject<HTMLDivElement | null>;
}

/** So many rows are all drawn: Ctrl-F and screen readers find them. More are drawn as they are seen. */
const ALL_DRAWN = 60;

/** A table: J and K move, Enter opens, only the rows in sight are drawn, and it folds below 640 px. */
export function DataTable<Row>(props: DataTableProps<Row>) {
  const narrow = useNarrow();
  if (props.fill && !narrow) return <FilledTable {...props} />;
  return <PageTable {...props} narrow={narrow} />;
}

function rowHeight(tall: boolean | undefined, narrow: boolean): number {
  if (narrow) return 72;
  return tall ? 45 : 29; // with the hairline
}

function FilledTable<Row>(props: DataTableProps<Row>) {
  const own = useRef<HTMLDivElement>(null);
  const box = props.box ?? own;
  const virtual = useVirtualizer({
    count: props.rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight(props.tall, false),
    getItemKey: (index) => keyAt(props, index),
    overscan: 8,
    // Where nothing is laid out, as in a test, a page of rows is drawn all the same.
    initialRect: { width: 1200, height: 800 },
  });
  const scroll = virtual.scrollOffset ?? 0;
  const size = virtual.scrollRect?.height ?? 0;
  useSight(props, virtual.getVirtualItems(), scroll, scroll + size - 28);
  return (
    <div className="scroll-x fills" ref={box}>
      <TableFrame
        {...props}
        box={box}
        items={virtual.getVirtualItems()}
        height={virtual.getTotalSize()}
        margin={0}
        show={(index) => virtual.scrollToIndex(index)}
      />
    </div>
  );
}

function PageTable<Row>({ narrow, ...props }: DataTableProps<Row> & { narrow: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  useLayoutEffect(() => {
    const top = (box.current?.getBoundingClientRect().top ?? 0) + globalThis.scrollY;
    if (Math.abs(top - margin) > 1) setMargin(top);
  });
  const virtual = useWindowVirtualizer({
    count: props.rows.length,
    estimateSize: () => rowHeight(props.tall, narrow),
    getItemKey: (index) => keyAt(props, index),
    overscan: 8,
    scrollMargin: margin,
    initialRect: { width: 1200, height: 800 },
  });
  const scroll = virtual.scrollOffset ?? 0;
  const size = virtual.scrollRect?.height ?? 0;
  useSight(props, virtual.getVirtualItems(), scroll, scroll + size);
  return (
    <div className="scroll-x" ref={box}>
      <TableFrame
        {...props}
        box={box}
        items={virtual.getVirtualItems()}
        height={virtual.getTotalSize()}
        margin={margin}
        show={(index) => virtual.scrollToIndex(index)}
        {...(narrow ? { measure: virtual.measureElement } : {})}
      />
    </div>
  );
}

interface FrameProps<Row> extends DataTableProps<Row> {
  box: RefObject<HTMLDivElement | null>;
  items: VirtualItem[];
  height: number;
  margin: number;
  show(index: number): void;
  measure?: (element: Element | null) => void;
}

function TableFrame<Row>(props: FrameProps<Row>) {
  const { columns, rows, items, margin, height } = props;
  const all = rows.length <= ALL_DRAWN;
  const drawn = all ? rows.map((_, index) => index) : items.map((item) => item.index);
  const before = all ? 0 : (items[0]?.start ?? margin) - margin;
  const after = all ? 0 : height - ((items.at(-1)?.end ?? margin) - margin);
  useRowKeys(props);
  return (
    <table
      className={classes("table", "fold", props.tall && "tall", props.className)}
      aria-label={props.label}
      aria-rowcount={(props.total ?? rows.length) + 1}
    >
      <colgroup>
        {columns.map((column) => (
          <col key={column.key} className={column.className} style={{ width: column.width }} />
        ))}
      </colgroup>
      <thead>
        <tr aria-rowindex={1}>
          {columns.map((column) => (
            <th
              key={column.key}
              scope="col"
              className={classes(column.num && "num", column.className)}
            >
              {column.head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        <Space height={before} columns={columns.length} />
        {drawn.map((index) => {
          const row = rows[index];
          return row === undefined ? null : (
            <TableRow key={props.rowKey(row)} {...props} row={row} index={index} />
          );
        })}
        <Space height={after} columns={columns.length} />
      </tbody>
    </table>
  );
}

function TableRow<Row>(props: FrameProps<Row> & { row: Row; index: number }) {
  const { row, index, columns, onOpen, current, rowKey } = props;
  return (
    <tr
      ref={props.measure ?? null}
      data-index={index}
      tabIndex={-1}
      aria-rowindex={index + 2}
      aria-current={current !== undefined && current === rowKey(row) ? "true" : undefined}
      className={classes(props.rowClass?.(row), onOpen && "opens")}
      onClick={(event) => {
        if (onOpen && !onControl(event.target) && !selectsText()) onOpen(row);
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && event.target === event.currentTarget) {
          event.preventDefault();
          onOpen?.(row);
        }
      }}
    >
      {columns.map((column) => (
        <td
          key={column.key}
          className={classes(column.num && "num", column.line && "line", column.className)}
          data-k={column.label}
        >
          {column.cell(row)}
        </td>
      ))}
    </tr>
  );
}

/** The height of rows that are not drawn. */
function Space({ height, columns }: { height: number; columns: number }) {
  if (height <= 0) return null;
  return (
    <tr className="space">
      <td colSpan={columns} style={{ height }} />
    </tr>
  );
}

function useRowKeys<Row>(props: FrameProps<Row>): void {
  const { rows, box, show, keys = true } = props;
  const wanted = useRef<number | undefined>(undefined);
  const focusRow = (index: number) => {
    wanted.current = index;
    const row = box.current?.querySelector<HTMLElement>(`tr[data-index="${index}"]`);
    if (!row) {
      show(index); // it is drawn next, and the effect below finds it
      return;
    }
    wanted.current = undefined;
    row.focus({ preventScroll: true });
    row.scrollIntoView?.({ block: "nearest" });
  };
  useEffect(() => {
    if (wanted.current !== undefined) focusRow(wanted.current);
  });
  const move = (step: number) => {
    const focused = document.activeElement?.closest<HTMLElement>("tr[data-index]");
    const selected = rows.findIndex((row) => props.rowKey(row) === props.current);
    const from = box.current?.contains(focused ?? null)
      ? Number(focused?.dataset["index"])
      : selected;
    const to = Math.min(rows.length - 1, Math.max(0, from + step));
    if (rows.length > 0) focusRow(to);
  };
  useKeys(
    keys
      ? [
          { key: "j", does: "next row", run: () => move(1) },
          { key: "k", does: "row before", run: () => move(-1) },
        ]
      : [],
  );
}

function useSight<Row>(
  props: DataTableProps<Row>,
  items: VirtualItem[],
  from: number,
  to: number,
): void {
  const { onEnd, onSight, rows } = props;
  const seen = items.filter((item) => item.end > from && item.start < to);
  const first = (seen[0]?.index ?? 0) + 1;
  const last = Math.min(rows.length, (seen.at(-1)?.index ?? -1) + 1);
  useEffect(() => onSight?.(first, last), [onSight, first, last]);
  const nearEnd = rows.length > 0 && (items.at(-1)?.index ?? 0) >= rows.length - 5;
  // Asked anew for each length: one page may not be enough to fill the screen.
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows.length stands for the length
  useEffect(() => {
    if (nearEnd) onEnd?.();
  }, [nearEnd, onEnd, rows.length]);
}

function keyAt<Row>(props: DataTableProps<Row>, index: number): string | number {
  const row = props.rows[index];
  return row === undefined ? index : props.rowKey(row);
}

function onControl(target: EventTarget): boolean {
  return target instanceof Element && target.closest("a, button, input, select, label") !== null;
}

function selectsText(): boolean {
  return (globalThis.getSelection?.()?.toString() ?? "") !== "";
}
