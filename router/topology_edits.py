"""How does a step of a person in the graph change the text of a topology file, and nothing else?

Each edit is a few replacements in the text, so that comments, quotes, spaces and line breaks stay
as they are. The result is read again: it must be the file with this one change.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from farandole.events.kafka_names import EVENT_TYPE_PATTERN, STAGE_PATTERN
from farandole.router.yaml_nodes import YamlEntry, YamlNode, read_nodes
from farandole.router.yaml_source import read_yaml

_BYTE_ORDER_MARK = "\ufeff"
_LINE_WIDTH = 100  # characters; what is longer stands in several lines


class EditRefusedError(ValueError):
    """The edit is not possible in this file; the message says why and what to do."""


class _Patch(NamedTuple):
    """What stands in the text instead of the characters from `start` to `end`."""

    start: int
    end: int
    new: str


_Data = dict[str, Any]
_PatchMaker = Callable[[str, YamlNode], Sequence[_Patch]]


def insert_stage(
    text: str,
    stage: str,
    *,
    event_type: str,
    reader: str | None,
    emits: str | None,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """Return a file with a new stage that subscribes to an event.

    With `reader`, it stands between the event and that stage, which then subscribes to what the new
    stage emits. Without, it is one more reader of the event. `settings` are its other keys, such as
    `run`. Raises EditRefusedError.
    """
    before = _read(text)
    _require_new_stage(before, stage)
    if emits is not None:
        _require_event_type(emits)
    written = {"subscribes": event_type, **({"emits": emits} if emits else {}), **(settings or {})}
    if reader is None:
        if event_type not in _event_types(before):
            raise EditRefusedError(f"no stage and no `events:` names {event_type}")
    else:
        _require_subscription(before, reader, event_type)
        if emits is None:
            raise EditRefusedError(f"say what {stage} emits: {reader} is to subscribe to it")
        if emits == event_type:
            raise EditRefusedError(f"{stage} cannot emit {emits}, which it subscribes to")

    def patches(text: str, root: YamlNode) -> list[_Patch]:
        place = _place_of(before, event_type, reader)
        found = [_new_entry(text, _section(root, "stages"), stage, written, place)]
        if reader is not None and emits is not None:
            found.append(_renamed_subscription(root, reader, event_type, emits))
        return found

    after = copy.deepcopy(before)
    after["stages"][stage] = written
    if reader is not None and emits is not None:
        _rename_in(after, reader, event_type, emits)
    return _edited(text, patches, after)


def rewire_stage(text: str, stage: str, *, old: str | None, new: str | None) -> str:
    """Return a file in which a stage subscribes to `new` instead of `old`, with the same condition.
    None: it only gets one more input, or loses one. Raises EditRefusedError."""
    before = _read(text)
    if old is None and new is None:
        raise EditRefusedError("say from which event, or to which")
    _require_stage(before, stage)
    if new is not None:
        _require_event_type(new)
        if new in subscriptions(before, stage):
            raise EditRefusedError(f"{stage} subscribes to {new} already")
    after = copy.deepcopy(before)
    if old is None:
        assert new is not None
        _add_in(after, stage, new)
        added = new
        return _edited(text, lambda t, root: [_added_subscription(t, root, stage, added)], after)
    _require_subscription(before, stage, old)
    if new is not None:
        renamed = new
        _rename_in(after, stage, old, new)
        return _edited(
            text, lambda _, root: [_renamed_subscription(root, stage, old, renamed)], after
        )
    if len(subscriptions(before, stage)) == 1:
        raise EditRefusedError(
            f"{old} is all that {stage} subscribes to; remove the stage, or give it another event"
        )
    _remove_in(after, stage, old)
    return _edited(text, lambda t, root: _removed_subscription(t, root, stage, old), after)


def remove_stage(text: str, stage: str, *, join: bool = False) -> str:
    """Return a file without a stage. With `join`, the stages that read what only it emitted
    subscribe to its input instead. Comments above its entry stay. Raises EditRefusedError."""
    before = _read(text)
    _require_stage(before, stage)
    if len(before["stages"]) == 1:
        raise EditRefusedError(f"{stage} is the only stage; a pipeline has one at least")
    after = copy.deepcopy(before)
    del after["stages"][stage]
    moves: list[tuple[str, str, str]] = []
    if join:
        inputs = subscriptions(before, stage)
        if len(inputs) != 1:
            raise EditRefusedError(f"{stage} has several inputs: rewire its readers one by one")
        alone = [
            event_type
            for event_type in _emitted(before, stage)
            if not any(event_type in _emitted(after, other) for other in after["stages"])
        ]
        moves = [
            (reader, event_type, inputs[0])
            for reader in after["stages"]
            for event_type in alone
            if event_type in subscriptions(after, reader)
        ]
        for reader, old, new in moves:
            if new in subscriptions(after, reader):
                raise EditRefusedError(f"{reader} would subscribe to {new} twice; rewire it first")
            _rename_in(after, reader, old, new)

    def patches(text: str, root: YamlNode) -> list[_Patch]:
        return [
            *_without_entry(text, _section(root, "stages"), stage),
            *(_renamed_subscription(root, reader, old, new) for reader, old, new in moves),
        ]

    return _edited(text, patches, after)


def add_event(text: str, event_type: str, settings: Mapping[str, Any] | None = None) -> str:
    """Return a file with an event in `events:`, which is added if it is not there. Raises
    EditRefusedError."""
    before = _read(text)
    _require_event_type(event_type)
    if event_type in (before.get("events") or {}):
        raise EditRefusedError(f"`events:` has {event_type} already")
    written = dict(settings or {})
    after = copy.deepcopy(before)
    after["events"] = {**(after.get("events") or {}), event_type: written}

    def patches(text: str, root: YamlNode) -> list[_Patch]:
        events = root.entry("events")
        if events is not None and events.value.kind == "mapping":
            if events.value.entries:
                return [_new_entry(text, events.value, event_type, written, None)]
            return [
                _Patch(events.value.start, events.value.end, f"{{{_line(event_type, written)}}}")
            ]
        line_end = _line_break(text)
        if events is not None:  # `events:` without anything
            after = _end_of_line(text, events.end)
            lead = "" if text[:after].endswith("\n") else line_end
            return [_Patch(after, after, f"{lead}  {_line(event_type, written)}{line_end}")]
        stages = root.entry("stages")
        if stages is None or root.in_brackets:
            raise EditRefusedError("write `events:` by hand: there is no place for it")
        start = _above_comments(text, stages.start)
        section = f"events:{line_end}  {_line(event_type, written)}{line_end}{line_end}"
        return [_Patch(start, start, section)]

    return _edited(text, patches, after)


def add_checks(text: str, event_type: str, checks: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a file in which an event has more checks, each in a line of its own. Raises
    EditRefusedError."""
    before = _read(text)
    events = before.get("events") or {}
    if event_type not in events:
        text = add_event(text, event_type)
        before = _read(text)
        events = before["events"]
    known = (events[event_type] or {}).get("checks") or {}
    if not isinstance(known, dict):
        raise EditRefusedError(f"`checks:` of {event_type} is no mapping; correct it by hand")
    if taken := known.keys() & checks.keys():
        raise EditRefusedError(f"{event_type} has the check {min(taken)} already")
    after = copy.deepcopy(before)
    written = {name: dict(settings) for name, settings in checks.items()}
    after["events"][event_type] = {**(events[event_type] or {}), "checks": {**known, **written}}

    def patches(text: str, root: YamlNode) -> list[_Patch]:
        events = _section(root, "events")
        entry = events.entry(event_type)
        assert entry is not None
        if events.in_brackets:
            raise EditRefusedError("`events:` stands in brackets; write the checks by hand")
        indent = _indent(text, entry.start)
        step = _step_of(text, events, indent) if indent else "  "
        lines = [_line(name, settings) for name, settings in written.items()]
        return _with_checks(text, entry, lines, indent, step)

    return _edited(text, patches, after)


def remove_event(text: str, event_type: str) -> str:
    """Return a file without an event's entry in `events:`. Raises EditRefusedError."""
    before = _read(text)
    if event_type not in (before.get("events") or {}):
        raise EditRefusedError(f"`events:` has no {event_type}")
    after = copy.deepcopy(before)
    del after["events"][event_type]
    after["events"] = after["events"] or None

    def patches(text: str, root: YamlNode) -> list[_Patch]:
        return list(_without_entry(text, _section(root, "events"), event_type))

    return _edited(text, patches, after)


def subscriptions(data: Mapping[str, Any], stage: str) -> list[str]:
    """Return the events that a stage subscribes to, as the data of a file have them."""
    written = data["stages"][stage].get("subscribes")
    if isinstance(written, str):
        return [written]
    if isinstance(written, Mapping):
        return list(written)
    if isinstance(written, list):
        return [next(iter(i)) if isinstance(i, Mapping) and i else str(i) for i in written]
    return []


def _read(text: str) -> _Data:
    """Return the data of a file whose stages can be edited. Raises EditRefusedError."""
    document, findings = read_yaml(text.encode(), "topology.yaml")
    if document is None or findings:
        raise EditRefusedError("; ".join(str(finding) for finding in findings))
    stages = document.data.get("stages")
    if not isinstance(stages, dict) or not all(isinstance(s, dict) for s in stages.values()):
        raise EditRefusedError("the file has no stages that can be edited; correct it by hand")
    if not isinstance(document.data.get("events") or {}, dict):
        raise EditRefusedError("`events:` is no mapping; correct it by hand")
    return document.data


def _edited(text: str, make: _PatchMaker, wanted: _Data) -> str:
    """Return the text with the patches. Raises EditRefusedError unless its data are `wanted`."""
    mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
    body = text.removeprefix(mark)
    patched = body
    for patch in sorted(make(body, read_nodes(body)), key=lambda p: (p.start, p.end), reverse=True):
        patched = patched[: patch.start] + patch.new + patched[patch.end :]
    document, findings = read_yaml(patched.encode(), "topology.yaml")
    if document is None or findings or _without_nothing(document.data) != _without_nothing(wanted):
        raise EditRefusedError(
            "this part of the file is written in a form that cannot be edited; write it by hand"
        )
    return mark + patched


def _without_nothing(data: _Data) -> _Data:
    """Return the data without an `events:` that holds nothing."""
    return {key: value for key, value in data.items() if key != "events" or value}


# ---- What the data of the file become


def _rename_in(data: _Data, stage: str, old: str, new: str) -> None:
    section = data["stages"][stage]
    written = section["subscribes"]
    if isinstance(written, str):
        section["subscribes"] = new
    elif isinstance(written, dict):
        section["subscribes"] = {new if key == old else key: v for key, v in written.items()}
    else:
        section["subscribes"] = [
            ({new: item[old]} if old in item else item)
            if isinstance(item, dict)
            else (new if item == old else item)
            for item in written
        ]


def _add_in(data: _Data, stage: str, new: str) -> None:
    section = data["stages"][stage]
    written = section.get("subscribes")
    if isinstance(written, dict):
        section["subscribes"] = {**written, new: {}}
    elif isinstance(written, list):
        section["subscribes"] = [*written, new]
    elif isinstance(written, str):
        section["subscribes"] = [written, new]
    else:
        raise EditRefusedError(f"{stage} subscribes to nothing yet; write it by hand")


def _remove_in(data: _Data, stage: str, old: str) -> None:
    section = data["stages"][stage]
    written = section["subscribes"]
    if isinstance(written, dict):
        section["subscribes"] = {key: v for key, v in written.items() if key != old}
    else:
        section["subscribes"] = [
            item for item in written if not (old in item if isinstance(item, dict) else item == old)
        ]


# ---- What the text becomes


def _renamed_subscription(root: YamlNode, stage: str, old: str, new: str) -> _Patch:
    node = _subscribed_name(_subscribes(root, stage), old)
    if node.quotes:
        return _Patch(node.start, node.end, f"{node.quotes}{new}{node.quotes}")
    return _Patch(node.start, node.end, _scalar(new))


def _subscribed_name(written: YamlNode, event_type: str) -> YamlNode:
    """Return the scalar that names an event in the value of `subscribes`."""
    if written.kind == "scalar":
        return written
    entry = written.entry(event_type)
    if entry is not None:
        return entry.key
    for item in written.items:
        if item.kind == "scalar" and item.text == event_type:
            return item
        entry = item.entry(event_type)
        if entry is not None:
            return entry.key
    raise EditRefusedError(f"{event_type} is not found in `subscribes:`; write it by hand")


def _added_subscription(text: str, root: YamlNode, stage: str, new: str) -> _Patch:
    written = _subscribes(root, stage)
    name = _scalar(new)
    if written.kind == "scalar":
        return _Patch(written.start, written.end, f"[{text[written.start : written.end]}, {name}]")
    if written.kind == "mapping":
        return _new_entry(text, written, new, {}, None)
    last = written.items[-1]
    if written.in_brackets:
        return _Patch(last.end, last.end, f", {name}")
    indent = _indent(text, written.start)
    return _new_line(text, written.end, f"{indent}- {name}")


def _removed_subscription(text: str, root: YamlNode, stage: str, old: str) -> Sequence[_Patch]:
    written = _subscribes(root, stage)
    if written.kind == "mapping":
        return _without_entry(text, written, old)
    index = next(
        i
        for i, item in enumerate(written.items)
        if (item.kind == "scalar" and item.text == old) or item.entry(old) is not None
    )
    spans = [(item.start, item.end) for item in written.items]
    if written.in_brackets:
        return _without_span(text, spans, index)
    return _without_lines(text, *spans[index])


def _without_entry(text: str, mapping: YamlNode, key: str) -> Sequence[_Patch]:
    spans = [(entry.start, entry.end) for entry in mapping.entries]
    index = next(i for i, entry in enumerate(mapping.entries) if entry.key.text == key)
    if mapping.in_brackets:
        return _without_span(text, spans, index)
    return _without_lines(text, *spans[index])


def _without_span(text: str, spans: Sequence[tuple[int, int]], index: int) -> Sequence[_Patch]:
    """Remove one of several parts that commas separate."""
    start, end = spans[index]
    if index and not text[spans[index - 1][1] : start].replace(",", "", 1).strip(" \t"):
        return [_Patch(spans[index - 1][1], end, "")]  # the comma before it goes too
    if index + 1 < len(spans):
        following = text[end : spans[index + 1][0]]
        if not following.replace(",", "", 1).strip(" \t"):
            return [_Patch(start, spans[index + 1][0], "")]
    comma = re.match(r"[ \t]*,", text[end:])
    if comma is not None:
        end += comma.end()
    return (
        _without_lines(text, start, end)
        if _stands_alone(text, start, end)
        else [_Patch(start, end, "")]
    )


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Return True if nothing but a comment stands beside this part in its lines."""
    before = text[_start_of_line(text, start) : start]
    after = text[end : _end_of_line(text, end)]
    return not before.strip() and (not after.strip() or after.lstrip().startswith("#"))


def _without_lines(text: str, start: int, end: int) -> Sequence[_Patch]:
    """Remove the lines of an entry, with the comment behind it."""
    first = _start_of_line(text, start)
    if text[first:start].strip(" -"):
        raise EditRefusedError("something else begins in the same line; write it by hand")
    last = end if text[end - 1 : end] == "\n" else _end_of_line(text, end)
    return [_Patch(first, last, "")]


def _new_entry(
    text: str, mapping: YamlNode, key: str, settings: Mapping[str, Any], after: str | None
) -> _Patch:
    """Add an entry to a mapping that has some: behind the entry `after`; None for the end."""
    before = (mapping.entry(after) if after is not None else None) or (
        mapping.entries[-1] if mapping.entries else None
    )
    if before is None:
        raise EditRefusedError("there is no entry yet; write the first one by hand")
    if mapping.in_brackets:
        return _Patch(before.end, before.end, f", {_line(key, settings)}")
    indent = _indent(text, mapping.entries[0].start)
    line = f"{indent}{_line(key, settings)}"
    if len(line) <= _LINE_WIDTH:
        return _new_line(text, before.end, line)
    step = _step_of(text, mapping, indent)
    lines = [f"{indent}{_scalar(key)}:"]
    lines += [f"{indent}{step}{_scalar(name)}: {_value(v)}" for name, v in settings.items()]
    return _new_line(text, before.end, _line_break(text).join(lines))


def _with_checks(
    text: str, event: YamlEntry, lines: Sequence[str], indent: str, step: str
) -> list[_Patch]:
    """Add lines to the checks of an event, whose entry is indented by `indent`, its keys by `step`
    more, and checks by one step more than these."""
    checks = event.value.entry("checks")
    deeper, line_break = f"{indent}{step}", _line_break(text)
    if checks is not None and checks.value.kind == "mapping" and checks.value.entries:
        if checks.value.in_brackets:
            last = checks.value.entries[-1].end
            return [_Patch(last, last, "".join(f", {line}" for line in lines))]
        own = _indent(text, checks.value.entries[0].start)
        return [_new_line(text, checks.end, line_break.join(f"{own}{line}" for line in lines))]
    if checks is not None and event.value.in_brackets:
        return [_Patch(checks.value.start, checks.value.end, f"{{{', '.join(lines)}}}")]
    block = [f"{deeper}{step}{line}" for line in lines]
    if checks is not None:  # `checks:` without anything
        return [
            _Patch(checks.key.end + 1, checks.end, ""),
            _new_line(text, checks.end, line_break.join(block)),
        ]
    block = [f"{deeper}checks:", *block]
    if event.value.kind == "mapping" and not event.value.in_brackets:
        return [_new_line(text, event.end, line_break.join(block))]
    inside = text[event.value.start : event.value.end]
    if "#" in inside:
        raise EditRefusedError("comments stand in brackets; write the checks by hand")
    # What stands in brackets gets lines of its own, so that each check can have one.
    settings = [f"{deeper}{text[each.start : each.end]}" for each in event.value.entries]
    return [
        _Patch(event.key.end + 1, event.end, ""),
        _new_line(text, event.end, line_break.join([*settings, *block])),
    ]


def _step_of(text: str, mapping: YamlNode, indent: str) -> str:
    """Return by how much the settings of an entry are indented more than its name."""
    for entry in mapping.entries:
        if entry.value.kind == "mapping" and not entry.value.in_brackets and entry.value.entries:
            deeper = _indent(text, entry.value.entries[0].start)
            return deeper.removeprefix(indent) or "  "
    return indent or "  "


def _new_line(text: str, behind: int, line: str) -> _Patch:
    """Add a line behind the one that ends an entry."""
    line_break = _line_break(text)
    place = behind if text[behind - 1 : behind] == "\n" else _end_of_line(text, behind)
    lead = "" if text[:place].endswith("\n") else line_break
    return _Patch(place, place, f"{lead}{line}{line_break}")


def _line(key: str, settings: Mapping[str, Any]) -> str:
    return f"{_scalar(key)}: {_value(dict(settings))}"


def _value(value: Any) -> str:
    """Return a value as it stands in one line of a file."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(str(k))}: {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(value: str) -> str:
    """Return a text as it stands in a file, in quotes only where YAML would read something else."""
    document, _ = read_yaml(f"a: {{b: {value}}}".encode(), "")
    plain = document is not None and document.data == {"a": {"b": value}}
    key, _ = read_yaml(f"{{{value}: 1}}".encode(), "")
    plain = plain and "\n" not in value and key is not None and key.data == {value: 1}
    return value if plain else json.dumps(value, ensure_ascii=False)


def _place_of(data: _Data, event_type: str, reader: str | None) -> str | None:
    """Return the stage behind whose entry a new reader of an event stands."""
    emitters: list[str] = [stage for stage in data["stages"] if event_type in _emitted(data, stage)]
    if emitters:
        return emitters[-1]
    return reader


# ---- Names


def _require_new_stage(data: _Data, stage: str) -> None:
    if not STAGE_PATTERN.fullmatch(stage):
        raise EditRefusedError(
            f"{stage!r} is no stage name: lowercase words with single dashes or underscores"
        )
    if stage in data["stages"]:
        raise EditRefusedError(f"there is a stage {stage} already")


def _require_stage(data: _Data, stage: str) -> None:
    if stage not in data["stages"]:
        raise EditRefusedError(f"there is no stage {stage}")


def _require_subscription(data: _Data, stage: str, event_type: str) -> None:
    _require_stage(data, stage)
    if event_type not in subscriptions(data, stage):
        raise EditRefusedError(f"{stage} does not subscribe to {event_type}")


def _require_event_type(event_type: str) -> None:
    if not EVENT_TYPE_PATTERN.fullmatch(event_type):
        raise EditRefusedError(
            f"{event_type!r} is no event type: lowercase words with dots or dashes between"
        )


def _emitted(data: Mapping[str, Any], stage: str) -> list[str]:
    written = data["stages"][stage].get("emits")
    return [written] if isinstance(written, str) else list(written or ())


def _event_types(data: Mapping[str, Any]) -> set[str]:
    named = {t for s in data["stages"] for t in (*subscriptions(data, s), *_emitted(data, s))}
    return named | set(data.get("events") or {})


# ---- Places in the text


def _section(root: YamlNode, name: str) -> YamlNode:
    entry = root.entry(name)
    assert entry is not None
    return entry.value


def _stage_entry(root: YamlNode, stage: str) -> YamlEntry:
    entry = _section(root, "stages").entry(stage)
    assert entry is not None
    return entry


def _subscribes(root: YamlNode, stage: str) -> YamlNode:
    entry = _stage_entry(root, stage).value.entry("subscribes")
    if entry is None:
        raise EditRefusedError(f"{stage} has no `subscribes:`; write it by hand")
    return entry.value


def _line_break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _start_of_line(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _end_of_line(text: str, index: int) -> int:
    """Return the index behind the line break that comes next."""
    found = text.find("\n", index)
    return len(text) if found == -1 else found + 1


def _indent(text: str, index: int) -> str:
    line = text[_start_of_line(text, index) : index]
    return line[: len(line) - len(line.lstrip(" "))]


def _above_comments(text: str, index: int) -> int:
    """Return the start of the comments that stand directly above a line."""
    start = _start_of_line(text, index)
    while start:
        above = _start_of_line(text, start - 1)
        if not text[above:start].startswith("#"):
            break
        start = above
    return start
