"""What has somebody changed in a JSON text, of which parts were masked when it was shown?

All functions take texts that `parse_json` accepts, and keep what is unchanged digit for digit.
"""

from __future__ import annotations

from farandole.events.json_text import (
    JsonMember,
    array_items,
    compact_json,
    object_members,
    parse_json,
)
from farandole.events.personal_data_masking import PERSONAL_MASK


class MaskedPartError(ValueError):
    """An edited text has `•••` where it cannot be told what that stands for."""


class NotAPatchError(ValueError):
    """A change that no merge patch can express, because there `null` removes a field."""


def apply_edit(original: str, shown: str, edited: str) -> str:
    """Return the original with the changes that were made between `shown` and `edited`. What was
    masked in `shown` and was not touched stays as it was. Raises MaskedPartError."""
    if compact_json(shown) == compact_json(edited):
        return original
    kinds = {text.lstrip()[:1] for text in (original, shown, edited)}
    if kinds == {"{"}:
        return _edited_object(original, shown, edited)
    if kinds == {"["}:
        parts = [[text[start:end] for start, end in array_items(text)]
                 for text in (original, shown, edited)]  # fmt: skip
        if len({len(each) for each in parts}) == 1:
            return f"[{', '.join(map(apply_edit, *parts))}]"
    if PERSONAL_MASK in str(parse_json(edited)):
        raise MaskedPartError(
            f"{PERSONAL_MASK} stands where it cannot be told what is meant; write the value itself"
        )
    return edited.strip()


def merge_patch_between(shown: str, edited: str) -> str:
    """Return the merge patch (RFC 7396) that makes the edited text of the shown one. Raises
    NotAPatchError, and MaskedPartError for a list of which parts are masked."""
    if not (shown.lstrip().startswith("{") and edited.lstrip().startswith("{")):
        raise NotAPatchError("only the fields of an object can be changed in many letters")
    before, after = _texts(shown), _texts(edited)
    changes = [f"{_quoted(shown, name)}: null" for name in before if name not in after]
    for name, value in after.items():
        old = before.get(name)
        if old is not None and compact_json(old) == compact_json(value):
            continue
        if old is not None and old.startswith("{") and value.startswith("{"):
            changes.append(f"{_quoted(edited, name)}: {merge_patch_between(old, value)}")
            continue
        _check_patch_value(name, value)
        changes.append(f"{_quoted(edited, name)}: {value}")
    return "{" + ", ".join(changes) + "}"


def _edited_object(original: str, shown: str, edited: str) -> str:
    originals, shown_texts = _texts(original), _texts(shown)
    last = {member.name: member for member in object_members(edited)}
    parts = [
        f"{edited[member.start : member.value_start]}"
        + (
            apply_edit(originals[name], shown_texts[name], _value(edited, member))
            if name in originals and name in shown_texts
            else apply_edit("null", "null", _value(edited, member))
        )
        for name, member in last.items()
    ]
    return "{" + ", ".join(parts) + "}"


def _check_patch_value(name: str, value: str) -> None:
    parsed = parse_json(value)
    if PERSONAL_MASK in str(parsed):
        raise MaskedPartError(f"{name}: parts of it are masked; write the value itself")
    if _has_null(parsed):
        raise NotAPatchError(f"{name}: a patch cannot set null, only remove a field")


def _has_null(data: object) -> bool:
    if isinstance(data, dict):
        return any(map(_has_null, data.values()))
    return data is None


def _texts(text: str) -> dict[str, str]:
    return {member.name: _value(text, member) for member in object_members(text)}


def _value(text: str, member: JsonMember) -> str:
    return text[member.value_start : member.end]


def _quoted(text: str, name: str) -> str:
    member = next(each for each in object_members(text) if each.name == name)
    return text[member.start : member.value_start].rstrip().removesuffix(":").rstrip()
