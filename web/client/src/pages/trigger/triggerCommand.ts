/** Which command triggers a run with these data? */

/** The command that publishes them; long data are left to a file. */
export function triggerCommand(eventType: string, text: string): string {
  const line = text.replace(/\s*\n\s*/g, " ");
  const quoted = line.length > 400 ? "…" : line.replaceAll("'", `'\\''`);
  return `farandole trigger ${eventType} --data '${quoted}'`;
}
