/** What can be written at the cursor, and what does the word under the pointer mean? */

import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import type { Text } from "@codemirror/state";
import type { components } from "@/api/schema";
import type { Graph } from "./graphDifference";
import { keysAt, meaningOf, type Schema, wordsAt } from "./topologySchema";
import { contextAt, type YamlContext } from "./yamlContext";

/** What the installation knows. */
export interface Known {
  schema: Schema;
  functions: components["schemas"]["OfferedFunction"][];
  graph: Graph | undefined;
}

const EVENT_KEYS = new Set(["subscribes", "emits", "triggers", "event"]);

/** The source of completions for a topology file. */
export function completeTopology(known: () => Known | undefined) {
  return (context: CompletionContext): CompletionResult | null => {
    const data = known();
    const found = contextAt(context.state.doc.toString(), context.pos);
    if (!data || !found) return null;
    const word = context.state.sliceDoc(found.from, context.pos);
    if (!word && !context.explicit && found.at === "key" && found.path.length === 0) return null;
    const options = optionsAt(data, found);
    return options.length ? { from: found.from, options, validFor: /^[\w.:"'-]*$/ } : null;
  };
}

/** All that fits at a place. */
export function optionsAt(known: Known, at: YamlContext): Completion[] {
  return at.at === "key" ? keyOptions(known, at.path) : valueOptions(known, at);
}

function keyOptions(known: Known, path: readonly string[]): Completion[] {
  const [section, , key] = path;
  const names: Completion[] = [];
  if (section === "events" && path.length === 1) names.push(...eventOptions(known, ": "));
  if (section === "stages" && path.length === 1) names.push(...stageOptions(known));
  if (section === "stages" && path.length === 3 && key === "subscribes")
    names.push(...eventOptions(known, ": "));
  const keys = keysAt(known.schema, path).map(
    (one): Completion => ({
      label: one.key,
      apply: `${one.key}: `,
      type: "property",
      info: one.description,
    }),
  );
  return [...names, ...keys];
}

function valueOptions(known: Known, at: YamlContext): Completion[] {
  const key = at.key ?? "";
  const [section, name] = at.path;
  if (EVENT_KEYS.has(key)) return eventOptions(known, "");
  if (key === "run" && section === "stages")
    return known.functions.map((one) => ({
      label: one.run,
      type: "function",
      detail: one.signature,
      info: one.summary || one.file || "One of Farandole’s generic stages.",
    }));
  if (key === "key" && section === "events") {
    const event = known.graph?.events.find((one) => one.name === name);
    return (event?.fields ?? []).map((field) => ({ label: field, type: "variable" }));
  }
  return wordsAt(known.schema, [...at.path, key]).map((word) => ({ label: word, type: "keyword" }));
}

function eventOptions(known: Known, behind: string): Completion[] {
  return (known.graph?.events ?? []).map((event) => ({
    label: event.name,
    ...(behind ? { apply: event.name + behind } : {}),
    type: "constant",
    detail: connectionOf(known.graph, event.name),
  }));
}

/** Stages for functions that the file's package has and no stage runs. */
function stageOptions({ functions, graph }: Known): Completion[] {
  const used = new Set(graph?.stages.map((stage) => stage.run));
  return functions
    .filter((one) => one.file && !used.has(one.run) && one.run.endsWith(sameName(one.run)))
    .map((one) => ({
      label: one.run.split(":")[1] ?? "",
      apply: `${one.run.split(":")[1]}: {subscribes: `,
      type: "function",
      detail: one.signature,
      info: one.summary || one.file,
    }));
}

function sameName(run: string): string {
  const name = run.split(":")[1] ?? "";
  return `.${name}:${name}`;
}

/** Who emits and who reads an event, in words. */
export function connectionOf(graph: Graph | undefined, event: string): string {
  const emitters = graph?.stages.filter((stage) => stage.emits.includes(event)) ?? [];
  const readers = graph?.stages.filter((stage) => stage.subscribes.includes(event)) ?? [];
  const from = emitters.map((stage) => stage.name).join(", ") || "from outside";
  return `${from} → ${readers.map((stage) => stage.name).join(", ") || "nobody"}`;
}

/** What is under the pointer. */
export interface Meaning {
  from: number;
  to: number;
  title: string;
  text: string;
}

const WORD = /[\w.:-]/;

/** The meaning of the word at an index; undefined if nothing is known of it. */
export function meaningAt(known: Known, doc: Text, index: number): Meaning | undefined {
  const line = doc.lineAt(index);
  let from = index - line.from;
  let to = from;
  while (from > 0 && WORD.test(line.text[from - 1] ?? "")) from--;
  while (to < line.text.length && WORD.test(line.text[to] ?? "")) to++;
  const word = line.text.slice(from, to).replace(/:$/, "");
  const context = word ? contextAt(doc.toString(), line.from + from + word.length) : undefined;
  if (!context) return undefined;
  const place = { from: line.from + from, to: line.from + from + word.length, title: word };
  const text = context.at === "key" ? meaningOf(known.schema, [...context.path, word]) : "";
  const said = text || meaningOfName(known, word);
  return said ? { ...place, text: said } : undefined;
}

function meaningOfName(known: Known, word: string): string {
  const event = known.graph?.events.find((one) => one.name === word);
  if (event) {
    const fields = event.fields.length ? `\nfields: ${event.fields.join(", ")}` : "";
    const key = event.key ? `, key ${event.key}` : "";
    return `${connectionOf(known.graph, word)}\n${event.partitions} partitions${key}${fields}`;
  }
  const offered = known.functions.find((one) => one.run === word);
  const stage = known.graph?.stages.find((one) => one.name === word);
  const run = offered ?? known.functions.find((one) => one.run === stage?.run);
  if (run)
    return [`${run.run}${run.signature}`, run.summary, run.file && `${run.file}:${run.line}`]
      .filter(Boolean)
      .join("\n");
  return stage?.run ?? "";
}
