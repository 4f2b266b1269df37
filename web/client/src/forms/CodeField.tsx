/** How is JSON written as text, with its mistakes marked as one types? */

import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
} from "@codemirror/language";
import { linter } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import { styleNonce } from "@/api/styleNonce";

interface CodeFieldProps {
  text: string;
  onChange(text: string): void;
  label: string;
  onSubmit?: (() => void) | undefined;
}

const look = EditorView.theme({
  "&": { backgroundColor: "var(--surface)", color: "var(--ink)", font: "var(--t-code)" },
  ".cm-scroller": { font: "var(--t-code)", minHeight: "240px" },
  ".cm-content": { caretColor: "var(--ink)" },
  "&.cm-focused": { outline: "none" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": {
    backgroundColor: "var(--sunken)",
    color: "var(--ink-3)",
    borderRight: "var(--hair) solid var(--line)",
  },
  ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": {
    backgroundColor: "var(--accent-wash)",
  },
  ".cm-specialChar": { color: "var(--wait-tone)" },
  ".cm-tooltip": {
    backgroundColor: "var(--surface)",
    border: "var(--hair) solid var(--line-strong)",
    color: "var(--ink)",
  },
});

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--ink)" },
  { tag: tags.string, color: "var(--ink-2)" },
  { tag: tags.number, color: "var(--flight-tone)" },
  { tag: [tags.bool, tags.null], color: "var(--wait-tone)" },
]);

function leave(editor: EditorView): boolean {
  editor.contentDOM.blur();
  return true;
}

/** A field for JSON; loaded only where one is shown. Ctrl+Enter hands it on, Esc leaves it. */
export function CodeField({ text, onChange, label, onSubmit }: CodeFieldProps) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | undefined>(undefined);
  const handlers = useRef({ onChange, onSubmit });
  handlers.current = { onChange, onSubmit };
  const begin = useRef(text);
  useEffect(() => {
    if (!box.current) return;
    const editor = new EditorView({
      parent: box.current,
      state: EditorState.create({
        doc: begin.current,
        extensions: [
          lineNumbers(),
          history(),
          highlightSpecialChars(),
          indentOnInput(),
          bracketMatching(),
          json(),
          linter(jsonParseLinter()),
          syntaxHighlighting(colours),
          look,
          EditorView.lineWrapping,
          EditorView.cspNonce.of(styleNonce()),
          EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0", dir: "ltr" }),
          keymap.of([
            {
              key: "Mod-Enter",
              run: () => {
                handlers.current.onSubmit?.();
                return true;
              },
            },
            // Tab indents; after Esc it leaves the field.
            { key: "Escape", run: leave },
            indentWithTab,
            ...defaultKeymap,
            ...historyKeymap,
          ]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) handlers.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    return () => editor.destroy();
  }, [label]);
  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== text)
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text } });
  }, [text]);
  return <div className="code-field" ref={box} />;
}
