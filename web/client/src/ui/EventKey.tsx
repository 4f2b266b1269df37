/** Which key has an event? */

import { cutMiddle } from "./format";
import { SafeText } from "./JsonView";

/** The key; of a long one the beginning and the end, with the whole in its title. */
export function EventKey({ text }: { text: string }) {
  return (
    <span className="event-key" title={text}>
      <SafeText text={cutMiddle(text, 80, 20)} />
    </span>
  );
}
