/** Where does the focus go when a dialog is closed? */

import { useRef } from "react";

interface FocusHandlers {
  onOpenAutoFocus(): void;
  onCloseAutoFocus(event: Event): void;
}

/** The handlers of a Radix dialog that has no trigger of its own: whoever had the focus when it was
 * opened has it again, if it is still there. */
export function useReturnedFocus(): FocusHandlers {
  const opener = useRef<Element | null>(null);
  return {
    onOpenAutoFocus: () => {
      opener.current = document.activeElement;
    },
    onCloseAutoFocus: (event) => {
      event.preventDefault(); // Radix would look for a trigger
      if (opener.current instanceof HTMLElement) opener.current.focus();
    },
  };
}
