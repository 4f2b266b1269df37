/** How are bytes written for people? */

export interface HexLine {
  offset: string;
  bytes: string;
  text: string;
}

const PER_LINE = 16;

/** Lines of 16 bytes: where, hexadecimal, and as text where it is printable ASCII. */
export function hexLines(hex: string): HexLine[] {
  const pairs = hex.match(/../g) ?? [];
  const lines: HexLine[] = [];
  for (let start = 0; start < pairs.length; start += PER_LINE) {
    const line = pairs.slice(start, start + PER_LINE);
    lines.push({
      offset: start.toString(16).padStart(6, "0"),
      bytes: line.join(" ").padEnd(PER_LINE * 3 - 1),
      text: line
        .map((pair) => Number.parseInt(pair, 16))
        .map((code) => (code >= 32 && code < 127 ? String.fromCharCode(code) : "·"))
        .join(""),
    });
  }
  return lines;
}
