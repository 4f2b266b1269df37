"""Can a program ask how far stages are behind, and what waits in them?"""

from __future__ import annotations

import orjson
import pytest

from farandole.operations.errors import NotFoundError
from farandole.operations.events.trigger import TriggerRequest, trigger
from farandole.operations.status.lag import LagRequest, read_lag
from farandole.operations.status.waits import WaitsRequest, count_waits
from tests.operations.conftest import Ask

pytestmark = pytest.mark.kafka


def test_what_no_stage_has_read_is_its_lag(ask: Ask) -> None:
    ask(trigger, TriggerRequest("feed.requested", b'{"weeks": [1]}'))
    lags = ask(read_lag, LagRequest("plan"))
    (plan,) = lags.stages["plan"]
    assert (list(lags.stages), plan.event, plan.lag) == (["plan"], "feed.requested", 1)
    everywhere = ask(read_lag, LagRequest())
    behind = {s: sum(i.lag for i in inputs) for s, inputs in everywhere.stages.items()}
    assert len(behind) == 8
    assert {stage for stage, lag in behind.items() if lag} == {"plan"}
    orjson.dumps(everywhere.to_data())


def test_nothing_waits_where_nothing_failed(ask: Ask) -> None:
    waits = ask(count_waits, WaitsRequest(["load"]))
    assert {stage: (w.count, w.held) for stage, w in waits.stages.items()} == {"load": (0, ())}
    orjson.dumps(waits.to_data())


@pytest.mark.parametrize(
    ("operation", "request_"), [(read_lag, LagRequest("lod")), (count_waits, WaitsRequest(["lod"]))]
)
def test_an_unknown_stage_is_an_error_with_a_code(
    ask: Ask, operation: object, request_: object
) -> None:
    with pytest.raises(NotFoundError) as raised:
        ask(operation, request_)
    assert raised.value.code == "unknown_stage"
