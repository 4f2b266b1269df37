/** How are the changes of a plan said? */

import type { components } from "@/api/schema";
import { formatCount } from "@/ui/format";

export type Change = components["schemas"]["Change"];
export type Plan = components["schemas"]["DraftPlan"];

/** `2 to add, 1 to change, 0 to remove`. */
export function totals(changes: readonly Change[]): string {
  const count = (sign: Change["sign"]) => changes.filter((change) => change.sign === sign).length;
  return `${count("+")} to add, ${count("~")} to change, ${count("-")} to remove`;
}

/** `+ small, ~ price`, the first few. */
export function summary(changes: readonly Change[], most = 4): string {
  const parts = changes
    .slice(0, most)
    .map((change) => `${shownSign(change.sign)} ${change.name || change.what}`);
  if (changes.length > most) parts.push(`${changes.length - most} more`);
  return parts.join(", ") || "nothing";
}

/** The sign as it is set: a minus that is as wide as the plus. */
export function shownSign(sign: Change["sign"]): string {
  return sign === "-" ? "−" : sign;
}

/** Events that one of the wires had before and has now; undefined if the change is no such. */
export function rewiring(
  change: Change,
): { key: string; was: string[]; now: string[] } | undefined {
  const [reason, ...more] = change.reasons ?? [];
  if (!reason || more.length || reason.code !== "setting_changed") return undefined;
  const { key, was, now } = reason.fields;
  if (!Array.isArray(was) || !Array.isArray(now)) return undefined;
  return { key: String(key), was: was.map(String), now: now.map(String) };
}

/** What is lost by a dangerous change, in a sentence, and what to see to. */
export function dangerWords(change: Change): { lost: string; care: string } {
  const { drain, name, sign } = change;
  if (sign === "-" && drain) {
    const most = drain.at_most ? "at most " : "";
    const many = drain.events === 1 ? "event is" : "events are";
    const versions = drain.versions.map((version) => `@${version}`).join(", ");
    return {
      lost: `${name} goes away while ${most}${formatCount(drain.events)} ${many} unread.`,
      care:
        change.what === "stage"
          ? `Keep its code deployed until ${versions} has drained, or they stay where they are.`
          : `They are handled under ${versions} as long as their readers run.`,
    };
  }
  return { lost: `${name}: ${change.said}.`, care: "" };
}

/** The names in a text that somebody has typed. */
export function typedNames(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean);
}

/** True if everything that must be confirmed was typed, and nothing else. */
export function isConfirmed(plan: Plan, typed: string): boolean {
  const names = typedNames(typed);
  return (
    plan.confirm.every((name) => names.includes(name)) &&
    names.every((name) => plan.confirm.includes(name))
  );
}
