/** How does a finding stand below its line in the text? */

import { setDiagnostics } from "@codemirror/lint";
import { type EditorState, StateEffect, StateField, type Text } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, WidgetType } from "@codemirror/view";
import type { components } from "@/api/schema";

export type Finding = components["schemas"]["Finding"];

/** A deed that mends a finding. */
export interface Remedy {
  label: string;
  run(): void;
}

/** So many findings are all written out; of more, those of the line with the cursor. */
const ALL_SHOWN = 4;

const setNotes = StateEffect.define<{ findings: Finding[]; remedies: RemediesOf }>();

export type RemediesOf = (finding: Finding) => Remedy[];

interface Notes {
  findings: Finding[];
  remedies: RemediesOf;
  drawn: DecorationSet;
}

/** The state of the notes below lines. */
export const findingNotes = StateField.define<Notes>({
  create: () => ({ findings: [], remedies: () => [], drawn: Decoration.none }),
  update(notes, transaction) {
    const effect = transaction.effects.find((one) => one.is(setNotes));
    if (effect) {
      const { findings, remedies } = effect.value;
      return { findings, remedies, drawn: draw(transaction.state, findings, remedies) };
    }
    if (transaction.docChanged) return { ...notes, drawn: notes.drawn.map(transaction.changes) };
    if (transaction.selection && notes.findings.length > ALL_SHOWN)
      return { ...notes, drawn: draw(transaction.state, notes.findings, notes.remedies) };
    return notes;
  },
  provide: (field) => EditorView.decorations.from(field, (notes) => notes.drawn),
});

/** Show these findings in the text. */
export function showFindings(view: EditorView, findings: Finding[], remedies: RemediesOf): void {
  const marks = findings.map((finding) => ({
    ...placeOf(view.state.doc, finding),
    severity: finding.severity ?? "error",
    message: `${finding.message}; ${finding.remedy}`,
  }));
  view.dispatch(setDiagnostics(view.state, marks));
  view.dispatch({ effects: setNotes.of({ findings, remedies }) });
}

/** The word that a finding is about. */
export function placeOf(doc: Text, finding: Finding): { from: number; to: number } {
  const line = doc.line(Math.min(Math.max(1, finding.line), doc.lines));
  const from = Math.min(line.to, line.from + Math.max(0, finding.column - 1));
  const [word = ""] =
    /^(?:"[^"]*"|'[^']*'|[^\s:,{}[\]]+)/.exec(doc.sliceString(from, line.to)) ?? [];
  return { from, to: from + Math.max(word.length, from < line.to ? 1 : 0) };
}

function draw(state: EditorState, findings: Finding[], remedies: RemediesOf): DecorationSet {
  const current = state.doc.lineAt(state.selection.main.head).number;
  const shown =
    findings.length <= ALL_SHOWN ? findings : findings.filter(({ line }) => line === current);
  return Decoration.set(
    shown.map((finding) =>
      Decoration.widget({
        widget: new FindingNote(finding, remedies(finding)),
        block: true,
        side: 1,
      }).range(state.doc.line(Math.min(Math.max(1, finding.line), state.doc.lines)).to),
    ),
    true,
  );
}

class FindingNote extends WidgetType {
  readonly finding: Finding;
  readonly remedies: Remedy[];

  constructor(finding: Finding, remedies: Remedy[]) {
    super();
    this.finding = finding;
    this.remedies = remedies;
  }

  override eq(other: FindingNote): boolean {
    return JSON.stringify(other.finding) === JSON.stringify(this.finding);
  }

  override toDOM(): HTMLElement {
    const { message, remedy, file, line, column, severity } = this.finding;
    const error = severity !== "warning";
    const box = element("div", "");
    box.append(
      stateOf(error, message),
      element(
        "p",
        "",
        `${asSentence(remedy)} `,
        element("span", "mono faint", `${file}:${line}:${column}`),
      ),
    );
    if (error) box.dataset["tone"] = "dead";
    if (this.remedies.length) {
      const deeds = this.remedies.map(({ label, run }) => {
        const button = element("button", "btn", label) as HTMLButtonElement;
        button.type = "button";
        button.addEventListener("click", run);
        return button;
      });
      box.append(element("p", "acts", ...deeds));
    }
    return element("div", "lint", box);
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

function stateOf(error: boolean, message: string): HTMLElement {
  const state = element("span", "state");
  state.dataset["tone"] = error ? "dead" : "late";
  const space = "http://www.w3.org/2000/svg";
  const icon = document.createElementNS(space, "svg");
  icon.setAttribute("class", "icon");
  icon.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", error ? "#i-failed" : "#i-warning");
  icon.append(use);
  state.append(icon, element("span", "", message));
  return state;
}

function element(name: string, className: string, ...children: (string | Node)[]): HTMLElement {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function asSentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?!]$/.test(whole) ? whole : `${whole}.`;
}
