"""How is the value of a dead letter changed, with an editor or by a patch file?"""

from __future__ import annotations

from pathlib import Path

import click

from farandole.events.json_text import compact_json, indent_json, parse_json
from farandole.operations.dead_letters.replay_builder import Replay
from farandole.operations.dead_letters.value_repair import (
    UnfitValueError,
    letter_text,
    validate_value,
)


def edit_value(replay: Replay) -> bytes:
    """Return the value as a person saves it in `$EDITOR`; the same value if nothing was changed.
    Raises UnfitValueError if the stage does not take it."""
    text = indent_json(letter_text(replay))
    saved = click.edit(text, extension=".json")
    if saved is None or saved.strip() == text.strip():
        assert replay.event.value is not None
        return replay.event.value
    try:
        parse_json(saved)
    except ValueError as error:
        raise UnfitValueError(f"what was saved is no JSON: {error}") from None
    return validate_value(replay, compact_json(saved).encode())


def read_patch_file(file: Path) -> str:
    """Return the JSON text in a patch file. Raises UsageError."""
    try:
        text = file.read_text()
        parse_json(text)
    except OSError as error:
        raise click.UsageError(f"--patch {file}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--patch {file} is no JSON: {error}") from None
    return text
