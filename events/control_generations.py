"""Under which control documents did something run: bounded lists of names that can be united?

A name is the kind of a document, whom it concerns, and its generation: `switch/price=canary@1234`,
`throttle/price@1240`, `limit/crm@1241`, `flag/vip@1250`, `drain@1260`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MAX_GENERATIONS = 32
"""How many names a list has; the oldest are left out."""

_NAME_PATTERN = re.compile(r"[a-z]+(?:/[^@\s]{0,300})?@[0-9]{1,18}")


def generation_name(kind: str, subject: str, generation: int) -> str:
    """Return the name of a document; `subject` is empty if it concerns the whole pipeline."""
    return f"{kind}/{subject}@{generation}" if subject else f"{kind}@{generation}"


def united_generations(*lists: Iterable[str]) -> list[str]:
    """Return the newest names of all lists, the oldest first, each once."""
    return sorted({name for names in lists for name in names}, key=_age)[-MAX_GENERATIONS:]


def are_generations(found: Any) -> bool:
    """Return True for a list within these bounds, as a lane writes it."""
    return (
        type(found) is list
        and len(found) <= MAX_GENERATIONS
        and all(type(name) is str and _NAME_PATTERN.fullmatch(name) for name in found)
    )


def _age(name: str) -> tuple[int, str]:
    return int(name.rpartition("@")[2]), name
