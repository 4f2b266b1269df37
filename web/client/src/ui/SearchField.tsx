/** What is searched for on this page? */

import { useEffect, useRef, useState } from "react";
import { useKeys } from "@/keyboard/keys";
import { Icon } from "./Icon";

interface SearchFieldProps {
  label: string;
  placeholder: string;
  value: string;
  /** Called 200 ms after the last key. */
  onSearch(value: string): void;
}

/** A field of search; `/` puts the focus there, Esc empties it. */
export function SearchField({ label, placeholder, value, onSearch }: SearchFieldProps) {
  const [text, setText] = useState(value);
  const field = useRef<HTMLInputElement>(null);
  const search = useRef(onSearch);
  useEffect(() => {
    search.current = onSearch;
  });
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => search.current(text), 200);
    return () => clearTimeout(timer);
  }, [text, value]);
  useKeys([{ key: "/", does: "search", run: () => field.current?.focus() }]);
  return (
    <label className="search">
      <span className="sr">{label}</span>
      <Icon name="search" />
      <input
        ref={field}
        type="search"
        className="input"
        placeholder={placeholder}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            setText("");
            search.current("");
            event.currentTarget.blur();
          }
        }}
      />
    </label>
  );
}
