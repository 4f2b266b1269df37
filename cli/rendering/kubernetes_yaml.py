"""How are objects of Kubernetes written as YAML documents?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

# Kubernetes reads YAML 1.1, where `on`, `08:30` and `1_000` are no texts. What is surely one is
# written without quotes.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9./_-]*")
_WORDS = frozenset({"y", "yes", "n", "no", "true", "false", "on", "off", "null"})
_WIDTH = 10_000  # characters: a long text is not folded


class _TextRepresenter(SafeRepresenter):
    """Writes a text of several lines as a block, and quotes what could be taken for no text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(representer: SafeRepresenter, text: str) -> ScalarNode:
    if "\n" in text and all(line.isprintable() for line in text.replace("\t", "").split("\n")):
        style = "|"
    else:
        is_plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
        style = "" if is_plain else '"'
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_TextRepresenter.add_representer(str, _represent_text)


def kubernetes_yaml(manifests: Iterable[Mapping[str, Any]]) -> str:
    """Return the objects as documents that `kubectl apply -f -` reads."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _TextRepresenter
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = _WIDTH
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # typed as None
    text = StringIO()
    yaml.dump_all(manifests, text)
    return text.getvalue()
