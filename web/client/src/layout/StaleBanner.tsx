/** Since when is what the page shows old, and when is it asked again? */

import { useFreshness } from "@/live/freshness";
import { useNow } from "@/preferences/clock";
import { Banner } from "@/ui/Banner";
import { Age, Until } from "@/ui/figures";
import { Moment } from "@/ui/Moment";

/** Nothing while data are live. */
export function StaleBanner() {
  const { state, since, nextTry, reason, askNow } = useFreshness();
  const now = useNow();
  if (state === "live") return null;
  const ask = (
    <button type="button" className="btn" onClick={askNow}>
      {state === "error" ? "Read anew" : "Ask now"}
    </button>
  );
  const sight = (
    <>
      What you see is from <Moment at={since} />.
    </>
  );
  if (state === "error")
    return (
      <Banner icon="failed" title="This page cannot be brought up to date." actions={ask}>
        {reason} {sight}
      </Banner>
    );
  return (
    <Banner
      icon="unworked"
      title={
        <span className="banner-title">
          {reason ?? "Kafka has not answered"} for <Age since={since} />.
        </span>
      }
      actions={ask}
    >
      {sight}{" "}
      {nextTry !== undefined && nextTry > now && (
        <>
          Asked again in <Until at={nextTry} />.
        </>
      )}
    </Banner>
  );
}
