"""A lane whose input has checks of its data, without Kafka."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from farandole.events.check_spec import CheckSpec
from farandole.events.parked_order import ParkedOrder, make_order
from farandole.events.record import Record
from farandole.events.topology_version import (
    QUALITY_FORMAT,
    RetryPolicy,
    StageSpec,
    Version,
)
from farandole.lanes.simulated_kafka import SimulatedRecord
from tests.worker.made import EVENTS, RETRY, In, Lane, Out, version

FEW = CheckSpec(rule="range", column="n", max=99, severity="reject")
ODD = CheckSpec(rule="expression", holds="int(data.n) % 2 == 0", severity="park")


def echo(event: In) -> Out:
    return Out(n=event.n)


def version_with(
    checks: Mapping[str, CheckSpec],
    number: int = 1,
    schema: dict[str, Any] | None = None,
    **settings: Any,
) -> Version:
    """A version whose event type `in` has these checks."""
    event = EVENTS["in"].model_copy(update={"checks": checks, "data_schema": schema})
    stage = StageSpec(run="m:f", subscribes=("in",), emits=("out",), **settings)
    made = version(number, stages={"stage": stage}, events={"in": event}, format=QUALITY_FORMAT)
    return made.model_copy(update={"ledger": 1})


def checked_lane(
    function: Callable[..., Any] = echo,
    checks: Mapping[str, CheckSpec] | None = None,
    *,
    retry: RetryPolicy | None = None,
    when: Mapping[str, str] | None = None,
    schema: dict[str, Any] | None = None,
    **how: Any,
) -> Lane:
    """A lane of a stage whose input rejects large numbers and parks odd ones, unless `checks` say
    otherwise."""
    made = version_with(
        checks or {"few": FEW, "odd": ODD},
        schema=schema,
        retry=retry or RetryPolicy(attempts=1),
        when=when or {},
    )
    return Lane(function, versions=how.pop("versions", [made]), **how)


def order(
    do: Literal["release", "mend", "discard"],
    event: str,
    offset: int = 0,
    data: bytes = b"",
    reason: str = "",
) -> Record:
    """The record of an order in the retry topic."""
    row = make_order(
        ParkedOrder(
            do=do,
            event=event,
            id=f"order-{offset}",
            by="ann",
            at=datetime(2026, 11, 23, tzinfo=UTC),
            reason=reason,
        ),
        data,
    )
    return SimulatedRecord(RETRY, 0, offset, row.value, row.key)
