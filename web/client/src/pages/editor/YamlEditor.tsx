/** The text of a topology file: what is changed, what is wrong, what can be written. */

import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from "@codemirror/autocomplete";
import {
  defaultKeymap,
  history,
  historyKeymap,
  indentLess,
  indentMore,
} from "@codemirror/commands";
import { yamlLanguage } from "@codemirror/lang-yaml";
import {
  bracketMatching,
  codeFolding,
  foldEffect,
  foldKeymap,
  indentUnit,
  LanguageSupport,
  syntaxHighlighting,
} from "@codemirror/language";
import { getOriginalDoc, unifiedMergeView, updateOriginalDoc } from "@codemirror/merge";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { ChangeSet, Compartment, EditorState, type Extension, Text } from "@codemirror/state";
import {
  drawSelection,
  type EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  hoverTooltip,
  keymap,
  lineNumbers,
  EditorView as View,
} from "@codemirror/view";
import { styleTags, tagHighlighter, tags } from "@lezer/highlight";
import { type Ref, useEffect, useImperativeHandle, useRef } from "react";
import { styleNonce } from "@/api/styleNonce";
import { completeTopology, type Known, meaningAt } from "./completion";
import { type Finding, findingNotes, placeOf, type RemediesOf, showFindings } from "./findingNotes";
import { changeBetween, sectionsToFold } from "./textChange";

/** What the page may do with the text. */
export interface YamlEditorHandle {
  /** Go to a line and column, both counted from 1. */
  goTo(line: number, column: number): void;
  /** Go to the finding behind the cursor. */
  nextFinding(): void;
  focus(): void;
}

interface YamlEditorProps {
  ref: Ref<YamlEditorHandle>;
  text: string;
  /** The text as it is saved; what differs is marked. */
  saved: string;
  findings: Finding[];
  remedies: RemediesOf;
  known: Known | undefined;
  readOnly: boolean;
  onChange(text: string): void;
  onPlan(): void;
  /** The line and column of the cursor, from 1. */
  onCursor(line: number, column: number): void;
}

const keysOfFlow = yamlLanguage.configure({
  props: [styleTags({ "FlowMapping/Pair/Key/Literal": tags.propertyName })],
});

const colours = tagHighlighter([
  { tag: tags.definition(tags.propertyName), class: "y-key" },
  { tag: tags.propertyName, class: "y-inner" },
  { tag: tags.comment, class: "y-comment" },
]);

/** The editor; the page holds the text. */
export function YamlEditor(props: YamlEditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const latest = useRef(props);
  const writable = useRef(new Compartment());
  useEffect(() => {
    latest.current = props;
  });

  useEffect(() => {
    const parent = place.current;
    if (!parent) return;
    const { text, saved, readOnly } = latest.current;
    const created = new View({
      parent,
      state: EditorState.create({
        doc: text,
        extensions: [
          extensionsOf(latest),
          writable.current.of(readOnlyIf(readOnly)),
          differenceFrom(saved),
        ],
      }),
    });
    const folds = sectionsToFold(text).map((range) => foldEffect.of(range));
    if (folds.length) created.dispatch({ effects: folds });
    view.current = created;
    return () => {
      created.destroy();
      view.current = undefined;
    };
  }, []);

  const { text, saved, findings, remedies, readOnly, ref } = props;
  useEffect(() => {
    const current = view.current;
    if (!current) return;
    const change = changeBetween(current.state.doc.toString(), text);
    if (change) current.dispatch({ changes: change, scrollIntoView: true });
  }, [text]);
  useEffect(() => {
    const current = view.current;
    if (!current) return;
    const before = getOriginalDoc(current.state);
    const doc = Text.of(saved.split("\n"));
    if (before.eq(doc)) return;
    const all = ChangeSet.of({ from: 0, to: before.length, insert: doc }, before.length);
    current.dispatch({ effects: updateOriginalDoc.of({ doc, changes: all }) });
  }, [saved]);
  useEffect(() => {
    if (view.current) showFindings(view.current, findings, remedies);
  }, [findings, remedies]);
  useEffect(() => {
    view.current?.dispatch({ effects: writable.current.reconfigure(readOnlyIf(readOnly)) });
  }, [readOnly]);

  useImperativeHandle(ref, () => ({
    goTo: (line, column) => view.current && goTo(view.current, line, column),
    nextFinding: () => view.current && goToNext(view.current, latest.current.findings),
    focus: () => view.current?.focus(),
  }));
  return <div className="yaml" ref={place} />;
}

function extensionsOf(latest: { current: YamlEditorProps }): Extension {
  const known = () => latest.current.known;
  return [
    View.cspNonce.of(styleNonce()),
    lineNumbers(),
    highlightActiveLineGutter(),
    history(),
    drawSelection(),
    indentUnit.of("  "),
    EditorState.tabSize.of(2),
    bracketMatching(),
    closeBrackets(),
    highlightActiveLine(),
    highlightSelectionMatches(),
    search({ top: true }),
    new LanguageSupport(keysOfFlow),
    syntaxHighlighting(colours),
    codeFolding({
      preparePlaceholder: (state, range) =>
        state.doc.lineAt(range.to).number - state.doc.lineAt(range.from).number,
      placeholderDOM: (_, unfold, lines: number) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "y-fold";
        button.textContent = ` … ${lines} ${lines === 1 ? "line" : "lines"} folded`;
        button.addEventListener("click", unfold);
        return button;
      },
    }),
    findingNotes,
    autocompletion({ override: [completeTopology(known)], icons: false }),
    hoverTooltip((current, index) => {
      const data = known();
      const meaning = data && meaningAt(data, current.state.doc, index);
      if (!meaning) return null;
      return { pos: meaning.from, end: meaning.to, above: true, create: () => tipOf(meaning) };
    }),
    keymap.of([
      { key: "Mod-Enter", run: () => done(latest.current.onPlan()) },
      { key: "F8", run: (current) => done(goToNext(current, latest.current.findings)) },
      { key: "Tab", run: indentMore, shift: indentLess },
      ...closeBracketsKeymap,
      ...completionKeymap,
      ...searchKeymap,
      ...historyKeymap,
      ...foldKeymap,
      ...defaultKeymap,
    ]),
    // It scrolls, so it can be reached by key, also where it may not be changed.
    View.contentAttributes.of({
      "aria-label": "topology.yaml",
      spellcheck: "false",
      tabindex: "0",
    }),
    View.updateListener.of((update) => {
      if (update.geometryChanged) measure(update.view);
      if (update.docChanged) latest.current.onChange(update.state.doc.toString());
      if (update.docChanged || update.selectionSet) {
        const head = update.state.selection.main.head;
        const line = update.state.doc.lineAt(head);
        latest.current.onCursor(line.number, head - line.from + 1);
      }
    }),
  ];
}

/** Notes below a line are as wide as what is seen of the text. */
function measure(view: EditorView): void {
  view.requestMeasure({
    key: "seen",
    read: () => {
      const gutters = view.scrollDOM.querySelector(".cm-gutters")?.clientWidth ?? 0;
      return { gutters, seen: view.scrollDOM.clientWidth - gutters };
    },
    write: ({ gutters, seen }) => {
      view.dom.style.setProperty("--gutters", `${gutters}px`);
      view.dom.style.setProperty("--seen", `${seen}px`);
    },
  });
}

function differenceFrom(saved: string): Extension {
  return unifiedMergeView({
    original: saved,
    mergeControls: false,
    highlightChanges: false,
    allowInlineDiffs: false,
    syntaxHighlightDeletions: false,
  });
}

function readOnlyIf(readOnly: boolean): Extension {
  return readOnly ? [EditorState.readOnly.of(true), View.editable.of(false)] : [];
}

function goTo(view: EditorView, line: number, column: number): void {
  const found = view.state.doc.line(Math.min(Math.max(1, line), view.state.doc.lines));
  const anchor = Math.min(found.to, found.from + Math.max(0, column - 1));
  view.dispatch({ selection: { anchor }, effects: View.scrollIntoView(anchor, { y: "center" }) });
  view.focus();
}

function goToNext(view: EditorView, findings: Finding[]): void {
  const head = view.state.selection.main.head;
  const places = findings.map((finding) => placeOf(view.state.doc, finding).from);
  const behind = places.filter((place) => place > head);
  const next = behind.length ? Math.min(...behind) : Math.min(...places);
  if (!Number.isFinite(next)) return;
  view.dispatch({
    selection: { anchor: next },
    effects: View.scrollIntoView(next, { y: "center" }),
  });
  view.focus();
}

function tipOf({ title, text }: { title: string; text: string }): { dom: HTMLElement } {
  const dom = document.createElement("div");
  dom.className = "y-tip";
  const name = document.createElement("b");
  name.textContent = title;
  const said = document.createElement("p");
  said.textContent = text;
  dom.append(name, said);
  return { dom };
}

function done(_: unknown): true {
  return true;
}
