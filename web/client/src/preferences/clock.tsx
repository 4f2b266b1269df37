/** What time is it, to the second? One clock for all ages on the page. */

import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { formatDay } from "@/ui/format";

const ClockContext = createContext<number | undefined>(undefined);
const TodayContext = createContext<number | undefined>(undefined);

/** Milliseconds of the epoch, anew each second. */
export function useNow(): number {
  return useContext(ClockContext) ?? Date.now();
}

/** A moment of today, in milliseconds of the epoch: it changes at midnight in UTC and in local time,
 * so what shows no seconds is not drawn each second. */
export function useToday(): number {
  return useContext(TodayContext) ?? Date.now();
}

/** Ticks each second while the page is seen. */
export function ClockProvider({ children }: { children: ReactNode }) {
  const [now, setNow] = useState(() => Date.now());
  const [today, setToday] = useState(now);
  if (!isSameDay(today, now)) setToday(now);
  useEffect(() => {
    const tick = () => {
      if (document.visibilityState === "visible") setNow(Date.now());
    };
    const timer = setInterval(tick, 1000);
    document.addEventListener("visibilitychange", tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  }, []);
  return (
    <ClockContext value={now}>
      <TodayContext value={today}>{children}</TodayContext>
    </ClockContext>
  );
}

/** True if both moments are of one day, in UTC and in local time. */
function isSameDay(one: number, other: number): boolean {
  return (
    formatDay(one, "UTC") === formatDay(other, "UTC") &&
    formatDay(one, "local") === formatDay(other, "local")
  );
}
