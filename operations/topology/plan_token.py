"""Is a plan still the one that somebody has seen?"""

from __future__ import annotations

import hashlib

import orjson
from pydantic import TypeAdapter

from farandole.events.next_step import NextStep
from farandole.operations.errors import ConflictError, RefusedError
from farandole.router.change_plan import ChangePlan
from farandole.router.topology_change import Change
from farandole.router.topology_derivation import DerivedTopology


def plan_token(plan: ChangePlan, *contents: str) -> str:
    """Return a text that any process computes again from the same state: of the file (`contents`),
    of the functions, of the versions, and of which changes are dangerous. How many events are
    unread is not a part of it, for that changes all the time."""
    derived = TypeAdapter(DerivedTopology).dump_python(plan.derived, mode="json")
    changes = sorted((c.sign, c.what, c.name, c.danger or "") for c in plan.changes)
    state = [contents, derived, plan.newest, dict(plan.topics), plan.rollback_of, changes]
    return hashlib.sha256(orjson.dumps(state, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def require_token(plan: ChangePlan, given: str, *contents: str) -> None:
    """Raise ConflictError (`stale_token`) unless the token is that of this plan."""
    if plan_token(plan, *contents) != given:
        raise ConflictError(
            "stale_token",
            "the file, the functions or what is in force has changed since this was planned; "
            "nothing was applied: plan again, and look at it",
            next_steps=[NextStep("see", ("plan",))],
        )


def names_to_confirm(changes: tuple[Change, ...]) -> list[str]:
    """Return the names that somebody must type to permit the dangerous changes, each once."""
    return list(dict.fromkeys(change.name for change in changes if change.danger is not None))


def require_confirmed(plan: ChangePlan, confirmed: list[str]) -> None:
    """Raise RefusedError (`confirmation_missing`) unless each dangerous change is named."""
    missing = [name for name in names_to_confirm(plan.changes) if name not in confirmed]
    if missing:
        raise RefusedError(
            "confirmation_missing",
            f"dangerous changes must be confirmed by name: {', '.join(missing)}; nothing was "
            "applied",
            missing=missing,
        )
