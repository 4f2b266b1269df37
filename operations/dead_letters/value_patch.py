"""How is the value of a dead letter mended before it is replayed?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from farandole.events.envelope import UnreadableEventError, parse_envelope
from farandole.events.event_key import output_key
from farandole.events.safe_text import single_line

if TYPE_CHECKING:
    from farandole.operations.dead_letters.replay_builder import Replay

MAX_REASON_CHARS = 300  # characters of what a validator says
MAX_EDITED_LETTERS = 20
"""Letters of a stage that a person edits one by one."""


class UnfitValueError(ValueError):
    """A mended value is none that the stage takes; the message says which field, and why."""


ValueAmender = Callable[["Replay"], bytes]
"""The value with which a letter is replayed. Raises UnfitValueError."""


def apply_merge_patch(document: Any, patch: Any) -> Any:
    """A JSON document with a merge patch, by RFC 7396: what the patch has replaces what is there,
    objects are merged, null takes away."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply_merge_patch(result.get(name), value)
    return result


def patch_amender(patch: Any) -> ValueAmender:
    """The same patch for each letter."""

    def amend(replay: Replay) -> bytes:
        data = _letter_data(replay)
        return validate_value(replay, encode_json(apply_merge_patch(data, patch)))

    return amend


def edit_value(replay: Replay) -> bytes:
    """What a person makes of it in `$EDITOR`. Raises UnfitValueError."""
    shown = format_json(_letter_data(replay))
    saved = click.edit(shown, extension=".json")
    if saved is None or saved.strip() == shown.strip():
        assert replay.event.value is not None
        return replay.event.value
    try:
        mended = parse_json(saved)
    except ValueError as error:
        raise UnfitValueError(f"what was saved is no JSON: {error}") from None
    return validate_value(replay, encode_json(mended))


def read_patch_file(file: Path) -> Any:
    """Raises UsageError."""
    try:
        return parse_json(file.read_text())
    except OSError as error:
        raise click.UsageError(f"--patch {file}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--patch {file} is no JSON: {error}") from None


def validate_value(replay: Replay, value: bytes) -> bytes:
    """The value, if the stage takes it under the event's version. Raises UnfitValueError."""
    # Here, not above: they take a tenth of a second that listing letters does without.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
    from referencing import Registry

    event = replay.version.events[replay.event_type]
    schema = replay.version.stages[replay.stage].accepts or event.data_schema
    data = parse_json(value.decode())
    if event.key is not None and output_key(data, event.key) != output_key(
        _letter_data(replay), event.key
    ):
        raise UnfitValueError(
            f"{event.key}: the event's key must stay as it was, its order goes by it"
        )
    if schema is None:
        return value
    # An empty registry: nothing that a schema refers to is fetched from anywhere.
    wrong = best_match(Draft202012Validator(schema, registry=Registry()).iter_errors(data))
    if wrong is not None:
        where = ".".join(map(str, wrong.absolute_path)) or "data"
        raise UnfitValueError(f"{where}: {single_line(wrong.message)[:MAX_REASON_CHARS]}")
    return value


def parse_json(text: str) -> Any:
    """JSON, integers of any size as they are. Raises ValueError."""
    return json.loads(text, parse_constant=_refuse_constant)


def format_json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def encode_json(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def _letter_data(replay: Replay) -> Any:
    """Raises UnfitValueError."""
    try:
        envelope = parse_envelope(replay.event)
    except UnreadableEventError:
        envelope = None  # its value is to be mended
    value = replay.event.value or b""
    if envelope is not None and envelope.data != value:
        raise UnfitValueError(
            "it is in CloudEvents' structured mode, which can be replayed but not edited"
        )
    try:
        return parse_json(value.decode())
    except (ValueError, RecursionError) as error:
        raise UnfitValueError(
            f"its value is no JSON: {single_line(str(error))[:MAX_REASON_CHARS]}"
        ) from None


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
