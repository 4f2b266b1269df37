"""From where to where does each part of a YAML text extend?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)


@dataclass(slots=True)
class YamlNode:
    """A scalar, mapping or list, with the indices of its first character and behind its last."""

    kind: Literal["scalar", "mapping", "list"]
    start: int
    end: int
    in_brackets: bool = False
    """True for `{a: b}` and `[a, b]`."""
    text: str = ""
    """The value of a scalar."""
    quotes: str = ""
    """The quotation mark of a scalar; empty for a plain one."""
    entries: list[YamlEntry] = field(default_factory=list)
    """Of a mapping."""
    items: list[YamlNode] = field(default_factory=list)
    """Of a list."""

    def entry(self, key: str) -> YamlEntry | None:
        """Return the entry of a mapping with this key; None if there is none, or it is no
        mapping."""
        return next((each for each in self.entries if each.key.text == key), None)


class YamlEntry(NamedTuple):
    """A key of a mapping, with its value."""

    key: YamlNode
    value: YamlNode

    @property
    def start(self) -> int:
        return self.key.start

    @property
    def end(self) -> int:
        """The index behind the value; behind the colon if it is left out."""
        return max(self.key.end, self.value.end)


def read_nodes(text: str) -> YamlNode:
    """Return the root of a text that `read_yaml` reads without a finding: it has one document, no
    anchors and no tags, and each key stands in its mapping once."""
    reading = _Reading()
    for event in YAML(typ="safe", pure=True).parse(text):
        reading.take(event, text)
    assert reading.root is not None
    return reading.root


@dataclass(slots=True)
class _Reading:
    root: YamlNode | None = None
    open: list[YamlNode] = field(default_factory=list)
    keys: list[YamlNode | None] = field(default_factory=list)
    """For each open mapping, the key whose value comes next."""

    def take(self, event: Any, text: str) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, ScalarEvent):
            quotes = event.style if event.style in ("'", '"') else ""
            # The mark behind a block of text stands at the next line that is not empty.
            end = start + len(text[start:end].rstrip()) if not quotes else end
            self._add(YamlNode("scalar", start, end, text=str(event.value), quotes=quotes), text)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            kind: Literal["mapping", "list"] = (
                "mapping" if isinstance(event, MappingStartEvent) else "list"
            )
            node = YamlNode(kind, start, end, in_brackets=bool(event.flow_style))
            self._add(node, text)
            self.open.append(node)
            self.keys.append(None)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            node = self.open.pop()
            self.keys.pop()
            if node.in_brackets:
                node.end = end
            else:
                _measure_block(node, text)

    def _add(self, node: YamlNode, text: str) -> None:
        if not self.open:
            self.root = node
        elif self.open[-1].kind == "list":
            self.open[-1].items.append(node)
        elif (key := self.keys[-1]) is None:
            self.keys[-1] = node
        else:
            if node.start == node.end:  # left out: its mark stands at whatever comes next
                colon = key.end + len(text[key.end :]) - len(text[key.end :].lstrip(" \t"))
                node.start = node.end = colon + 1 if text[colon : colon + 1] == ":" else key.end
            self.open[-1].entries.append(YamlEntry(key, node))
            self.keys[-1] = None


def _measure_block(node: YamlNode, text: str) -> None:
    """Set where a block begins and ends. Its own marks stand behind the colon before it, and behind
    the comments that follow it."""
    ends = [*(entry.end for entry in node.entries), *(item.end for item in node.items)]
    node.end = max(ends, default=node.start)
    if node.entries:
        node.start = node.entries[0].start
    elif node.items:
        node.start = text.rindex("-", 0, max(node.items[0].start, node.start + 1))
