"""What may a pipeline's own code import?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farandole.quality.checks.profile_view import Profile
    from farandole.stages.contract import Context, EventInfo, Reject, To, Unchanged

__all__ = ["Context", "EventInfo", "Profile", "Reject", "To", "Unchanged"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `import farandole` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "Profile":
        from farandole.quality.checks import profile_view

        return profile_view.Profile
    from farandole.stages import contract

    return getattr(contract, name)
