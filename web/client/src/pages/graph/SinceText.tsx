/** Since when, within a line of a picture: `since 14:30:52`. */

import { useToday } from "@/preferences/clock";
import { usePreferences } from "@/preferences/preferences";
import { epochMs, formatMoment } from "@/ui/format";

export function SinceText({ at }: { at: string }) {
  const { zone } = usePreferences();
  return <>since {formatMoment(epochMs(at), zone, useToday())}</>;
}
