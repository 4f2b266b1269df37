/** Where in a topology file is the cursor: at which key, or at the value of which? */

/** A place in YAML that is just being written. */
export interface YamlContext {
  /** The keys that lead to the mapping in which the cursor is. */
  path: string[];
  at: "key" | "value";
  /** The key whose value is written. */
  key?: string;
  /** The index of the first character of the word before the cursor. */
  from: number;
}

const BLOCK_KEY =
  /^(\s*)((?:- +)*)(?:"([^"]*)"|'([^']*)'|([^\s#:{}[\],"'-][^:#{}[\],]*?))\s*:(?=\s|$)/;

/** The context at an index of the text; undefined in a comment. */
export function contextAt(text: string, index: number): YamlContext | undefined {
  const start = text.lastIndexOf("\n", index - 1) + 1;
  const before = text.slice(start, index);
  if (/(^|\s)#/.test(withoutQuoted(before))) return undefined;
  const match = BLOCK_KEY.exec(before);
  if (!match) {
    const [lead = ""] = /^\s*(?:- +)*/.exec(before) ?? [];
    const list = lead.trimEnd().endsWith("-");
    const written = before.slice(lead.length);
    const parents = parentsOf(text, start, lead.length);
    const key = parents.at(-1);
    if (/^[{[]/.test(written))
      return flowContext(written, parents.slice(0, -1), key, start + lead.length);
    if (list && key !== undefined)
      return { path: parents.slice(0, -1), at: "value", key, from: start + lead.length };
    return { path: parents, at: "key", from: start + lead.length };
  }
  const key = keyOf(match);
  const indent = (match[1] ?? "").length + (match[2] ?? "").length;
  const rest = before.slice(match[0].length);
  const path = parentsOf(text, start, indent);
  const lead = rest.length - rest.trimStart().length;
  return flowContext(rest.trimStart(), path, key, start + match[0].length + lead);
}

/** The keys above a line that is indented by so much. */
function parentsOf(text: string, lineStart: number, indent: number): string[] {
  const parents: string[] = [];
  let limit = indent;
  const lines = text.slice(0, lineStart).split("\n");
  for (let i = lines.length - 1; i >= 0 && limit > 0; i--) {
    const match = BLOCK_KEY.exec(lines[i] ?? "");
    if (!match) continue;
    const own = (match[1] ?? "").length + (match[2] ?? "").length;
    if (own >= limit) continue;
    parents.unshift(keyOf(match));
    limit = own;
  }
  return parents;
}

interface Level {
  bracket: "{" | "[" | "";
  key: string | undefined;
}

/** The context inside of a value that may have braces and brackets, in one line. */
function flowContext(
  value: string,
  path: string[],
  key: string | undefined,
  offset: number,
): YamlContext {
  const levels: Level[] = [{ bracket: "", key }];
  let from = 0;
  let quote = "";
  for (let i = 0; i < value.length; i++) {
    const char = value[i] ?? "";
    const level = levels.at(-1);
    if (quote) {
      if (char === quote) quote = "";
    } else if ((char === '"' || char === "'") && i === from) {
      quote = char;
    } else if (char === "{" || char === "[") {
      levels.push({ bracket: char, key: undefined });
      from = i + 1;
    } else if ((char === "}" || char === "]") && levels.length > 1) {
      levels.pop();
      from = i + 1;
    } else if (char === "," && level?.bracket) {
      if (level.bracket === "{") level.key = undefined;
      from = i + 1;
    } else if (
      char === ":" &&
      level?.bracket === "{" &&
      level.key === undefined &&
      /^(\s|$)/.test(value.slice(i + 1))
    ) {
      level.key = value
        .slice(from, i)
        .trim()
        .replace(/^["']|["']$/g, "");
      from = i + 1;
    }
    if (from === i && char === " " && !quote) from = i + 1;
  }
  while (value[from] === " ") from++;
  const keys = levels.map((level) => level.key).filter((one) => one !== undefined);
  const inside = levels.at(-1);
  if (inside?.bracket === "{" && inside.key === undefined)
    return { path: [...path, ...keys], at: "key", from: offset + from };
  const last = keys.at(-1);
  return {
    path: [...path, ...keys.slice(0, -1)],
    at: "value",
    ...(last === undefined ? {} : { key: last }),
    from: offset + from,
  };
}

function keyOf(match: RegExpExecArray): string {
  return match[3] ?? match[4] ?? match[5] ?? "";
}

function withoutQuoted(text: string): string {
  return text.replace(/"[^"]*"|'[^']*'/g, (quoted) => "_".repeat(quoted.length));
}
