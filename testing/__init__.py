"""How do users run a pipeline in memory, to try and to test it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if not __name__.startswith("farandole."):
    raise ImportError("testing is a part of farandole: import farandole.testing")

if TYPE_CHECKING:
    from farandole.testing.pipeline import Pipeline
    from farandole.testing.results import DeadLetter, Event, Unsent

__all__ = ["DeadLetter", "Event", "Pipeline", "Unsent"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the pytest plugin must cost nothing."""
    if name == "Pipeline":
        from farandole.testing.pipeline import Pipeline

        return Pipeline
    if name in __all__:
        from farandole.testing import results

        return getattr(results, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
