"""How is the value of a dead letter changed, with an editor or by a patch file?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from farandole.operations.dead_letters.replay_builder import Replay
from farandole.operations.dead_letters.value_repair import (
    UnfitValueError,
    encode_json,
    format_json,
    letter_data,
    parse_json,
    validate_value,
)


def edit_value(replay: Replay) -> bytes:
    """Return the value as a person saves it in `$EDITOR`; the same value if nothing was changed.
    Raises UnfitValueError if the stage does not take it."""
    text = format_json(letter_data(replay))
    saved = click.edit(text, extension=".json")
    if saved is None or saved.strip() == text.strip():
        assert replay.event.value is not None
        return replay.event.value
    try:
        data = parse_json(saved)
    except ValueError as error:
        raise UnfitValueError(f"what was saved is no JSON: {error}") from None
    return validate_value(replay, encode_json(data))


def read_patch_file(file: Path) -> Any:
    """Return the JSON document in a patch file, which may be null. Raises UsageError."""
    try:
        return parse_json(file.read_text())
    except OSError as error:
        raise click.UsageError(f"--patch {file}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--patch {file} is no JSON: {error}") from None
