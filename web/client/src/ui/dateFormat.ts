/** How is a formatter of dates made only once? Making one takes longer than a hundred dates. */

const made = new Map<string, Intl.DateTimeFormat>();

/** The formatter with these options for `UTC` or for the browser's zone. */
export function dateFormat(
  locale: "en-GB" | "en-CA",
  zone: "UTC" | "local",
  options: Intl.DateTimeFormatOptions = {},
): Intl.DateTimeFormat {
  const key = JSON.stringify([locale, zone, options]);
  let format = made.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(
      locale,
      zone === "UTC" ? { ...options, timeZone: "UTC" } : options,
    );
    made.set(key, format);
  }
  return format;
}
