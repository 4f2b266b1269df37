/** How is one thing picked from a list of two or three lines each? */

import { type ReactNode, useEffect, useRef } from "react";
import "./pick-list.css";

interface PickListProps<Item> {
  label: string;
  items: readonly Item[];
  itemKey(item: Item): string;
  current: string | undefined;
  onPick(item: Item): void;
  render(item: Item): ReactNode;
  className?: string;
}

/** A list of which one is current; it is kept in sight. */
export function PickList<Item>(props: PickListProps<Item>) {
  const { label, items, itemKey, current, onPick, render, className } = props;
  const list = useRef<HTMLUListElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another item is to be in sight
  useEffect(() => {
    const row = list.current?.querySelector("[aria-current]");
    row?.scrollIntoView?.({ block: "nearest" });
  }, [current]);
  return (
    <ul className={className ? `pick ${className}` : "pick"} aria-label={label} ref={list}>
      {items.map((item) => (
        <li key={itemKey(item)} aria-current={itemKey(item) === current ? "true" : undefined}>
          <button type="button" className="pick-row" onClick={() => onPick(item)}>
            {render(item)}
          </button>
        </li>
      ))}
    </ul>
  );
}
