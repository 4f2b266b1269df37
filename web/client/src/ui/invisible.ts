/** Which characters of a payload must be shown rather than obeyed? */

// Controls, formats (marks of direction, zero widths, tags), separators of lines, lone surrogates.
const INVISIBLE = /[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]--[\t\n]]/gv;

export interface Piece {
  text: string;
  /** True: `text` is the escape of a character that would not be seen, or would change what is. */
  hidden: boolean;
}

/** The text in pieces, with escapes such as `\u202e` in the place of such characters. */
export function showInvisible(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(INVISIBLE)) {
    if (match.index > end) pieces.push({ text: text.slice(end, match.index), hidden: false });
    pieces.push({ text: escapeOf(match[0]), hidden: true });
    end = match.index + match[0].length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end), hidden: false });
  return pieces;
}

/** The text with such escapes, where no element can stand: in a tooltip. */
export function escapeInvisible(text: string): string {
  return text.replace(INVISIBLE, escapeOf);
}

function escapeOf(character: string): string {
  return Array.from({ length: character.length }, (_, unit) => {
    return `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`;
  }).join("");
}
