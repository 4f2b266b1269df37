/** What can be chosen or done here? */

import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import { Icon, type IconName } from "./Icon";

export interface MenuItem {
  label: string;
  icon?: IconName;
  danger?: boolean;
  /** Why it cannot be done now; the item is then disabled and says so. */
  refusal?: string | undefined;
  onSelect(): void;
}

/** Deeds behind a button of three dots, or behind `trigger`. */
export function Menu({
  label,
  items,
  trigger,
}: {
  label: string;
  items: readonly MenuItem[];
  trigger?: ReactNode;
}) {
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger className={trigger ? "btn" : "btn plain"} aria-label={label}>
        {trigger ?? <Icon name="more" />}
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
          {items.map((item) => (
            <DropdownMenu.Item
              key={item.label}
              className={item.danger ? "menu-item tone-dead" : "menu-item"}
              disabled={item.refusal !== undefined}
              title={item.refusal}
              onSelect={item.onSelect}
            >
              {item.icon && <Icon name={item.icon} />}
              <span>{item.label}</span>
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

export interface Choice {
  value: string;
  label: string;
  /** A figure or word at the row's end. */
  note?: ReactNode;
}

/** One of several values: a filter, a version, a pipeline. */
export function ChoiceMenu({
  label,
  choices,
  value,
  onChange,
  className = "",
}: {
  label: string;
  choices: readonly Choice[];
  value: string;
  onChange(value: string): void;
  className?: string;
}) {
  const chosen = choices.find((choice) => choice.value === value);
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger
        className={`select ${className}`.trimEnd()}
        // What is seen must be a part of what is heard.
        aria-label={`${label}: ${chosen?.label ?? value}`}
      >
        {chosen?.label ?? value} <Icon name="down" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="start" sideOffset={4}>
          <DropdownMenu.RadioGroup value={value} onValueChange={onChange}>
            {choices.map((choice) => (
              <DropdownMenu.RadioItem key={choice.value} value={choice.value} className="menu-item">
                <span className="menu-mark">
                  {choice.value === value && <Icon name="handled" />}
                </span>
                <span>{choice.label}</span>
                {choice.note !== undefined && <span className="unit menu-note">{choice.note}</span>}
              </DropdownMenu.RadioItem>
            ))}
          </DropdownMenu.RadioGroup>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
