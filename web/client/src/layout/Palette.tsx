/** Where do you want to go? */

import { useNavigate } from "@tanstack/react-router";
import { Dialog as Radix } from "radix-ui";
import { useId, useState } from "react";
import { navigation } from "@/navigation/pages";
import { useChosenPipeline, usePipelines } from "@/navigation/pipelines";
import { Icon } from "@/ui/Icon";
import { useReturnedFocus } from "@/ui/returnedFocus";
import { type Destination, findDestinations } from "./destinations";

/** Goes to a page, run, pipeline, stage or event by a few letters. */
export function Palette({ onClose }: { onClose(): void }) {
  const focus = useReturnedFocus();
  return (
    <Radix.Root open onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="dialog-ground" />
        <Radix.Content className="dialog palette" aria-describedby={undefined} {...focus}>
          <Radix.Title className="sr">Go to</Radix.Title>
          <Finder onClose={onClose} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function Finder({ onClose }: { onClose(): void }) {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const pipelines = usePipelines().data ?? [];
  const pipeline = useChosenPipeline();
  const navigate = useNavigate();
  const list = useId();
  const found = findDestinations(text, navigation, pipelines, pipeline);
  const at = Math.min(chosen, Math.max(0, found.length - 1));
  const go = (destination: Destination | undefined) => {
    if (!destination) return;
    onClose();
    void navigate({ href: destination.address });
  };
  return (
    <>
      <label className="search">
        <span className="sr">A page, run, pipeline, stage or event</span>
        <Icon name="search" />
        <input
          className="input"
          role="combobox"
          aria-expanded="true"
          aria-controls={list}
          aria-activedescendant={found.length > 0 ? `${list}-${at}` : undefined}
          placeholder="A page, run id, pipeline, stage or event"
          autoComplete="off"
          spellCheck={false}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setChosen(0);
          }}
          onKeyDown={(event) => {
            const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
            if (step !== 0) {
              event.preventDefault();
              setChosen((at + step + found.length) % Math.max(1, found.length));
            } else if (event.key === "Enter") {
              event.preventDefault();
              go(found[at]);
            }
          }}
        />
      </label>
      <div id={list} className="found" role="listbox" aria-label="Found">
        {found.map((destination, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the focus and its keys choose
          <div
            key={destination.key}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === at}
            tabIndex={-1}
            onPointerMove={() => setChosen(index)}
            onClick={() => go(destination)}
          >
            <Icon name={destination.icon} />
            <span>{destination.label}</span>
            <span className="kind">{destination.kind}</span>
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="small">Nothing here has this name.</p>}
    </>
  );
}
