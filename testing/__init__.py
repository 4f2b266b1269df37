"""How do users run a pipeline in memory, to try and to test it?"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if not __name__.startswith("farandole."):
    raise ImportError("testing is a part of farandole: import farandole.testing")

if TYPE_CHECKING:
    from farandole.testing.loaded_topology import TopologyError
    from farandole.testing.memory_cluster import NotAtRestError
    from farandole.testing.pipeline import Pipeline
    from farandole.testing.results import DeadLetter, Event, ParkedRow, Report, Unsent, Verdict

__all__ = [
    "DeadLetter", "Event", "NotAtRestError", "ParkedRow", "Pipeline", "Report", "TopologyError",
    "Unsent", "Verdict",
]  # fmt: skip
_MODULES = {
    "NotAtRestError": "memory_cluster", "Pipeline": "pipeline", "TopologyError": "loaded_topology",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the pytest plugin must cost nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'results')}"), name)
