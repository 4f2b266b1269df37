"""How is the value of a dead letter mended before it is replayed?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from farandole.events.display import in_one_line
from farandole.events.envelope import Unreadable, read

if TYPE_CHECKING:
    from farandole.console.dead_letters.replayable import Replay

LONGEST = 300  # characters of what a validator says
MOST_EDITED = 20
"""Letters of a stage that a person edits one by one."""


class Unfit(ValueError):  # noqa: N818 -- what the mended value is
    """A mended value is none that the stage takes; the message says which field, and why."""


Amend = Callable[["Replay"], bytes]
"""The value with which a letter is replayed. Raises Unfit."""


def merged(document: Any, patch: Any) -> Any:
    """A JSON document with a merge patch, by RFC 7396: what the patch has replaces what is there,
    objects are merged, null takes away."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def by_patch(patch: Any) -> Amend:
    """The same patch for each letter."""

    def amend(replay: Replay) -> bytes:
        data = _data(replay)
        return checked(replay, compact(merged(data, patch)))

    return amend


def by_editor(replay: Replay) -> bytes:
    """What a person makes of it in `$EDITOR`. Raises Unfit."""
    shown = pretty(_data(replay))
    saved = click.edit(shown, extension=".json")
    if saved is None or saved.strip() == shown.strip():
        assert replay.event.value is not None
        return replay.event.value
    try:
        mended = document(saved)
    except ValueError as error:
        raise Unfit(f"what was saved is no JSON: {error}") from None
    return checked(replay, compact(mended))


def read_patch(file: Path) -> Any:
    """Raises UsageError."""
    try:
        return document(file.read_text())
    except OSError as error:
        raise click.UsageError(f"--patch {file}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--patch {file} is no JSON: {error}") from None


def checked(replay: Replay, value: bytes) -> bytes:
    """The value, if the stage takes it under the event's version. Raises Unfit."""
    # Here, not above: they take a tenth of a second that listing letters does without.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
    from referencing import Registry

    from farandole.worker.binding import key_of

    event = replay.version.events[replay.event_type]
    schema = replay.version.stages[replay.stage].accepts or event.data_schema
    data = document(value.decode())
    if event.key is not None and key_of(data, event.key) != key_of(_data(replay), event.key):
        raise Unfit(f"{event.key}: the event's key must stay as it was, its order goes by it")
    if schema is None:
        return value
    # An empty registry: nothing that a schema refers to is fetched from anywhere.
    wrong = best_match(Draft202012Validator(schema, registry=Registry()).iter_errors(data))
    if wrong is not None:
        where = ".".join(map(str, wrong.absolute_path)) or "data"
        raise Unfit(f"{where}: {in_one_line(wrong.message)[:LONGEST]}")
    return value


def document(text: str) -> Any:
    """JSON, integers of any size as they are. Raises ValueError."""
    return json.loads(text, parse_constant=_refused)


def pretty(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def compact(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def _data(replay: Replay) -> Any:
    """Raises Unfit."""
    try:
        envelope = read(replay.event)
    except Unreadable:
        envelope = None  # its value is to be mended
    value = replay.event.value or b""
    if envelope is not None and envelope.data != value:
        raise Unfit("it is in CloudEvents' structured mode, which can be replayed but not edited")
    try:
        return document(value.decode())
    except (ValueError, RecursionError) as error:
        raise Unfit(f"its value is no JSON: {in_one_line(str(error))[:LONGEST]}") from None


def _refused(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
