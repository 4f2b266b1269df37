"""How are controls, and the rates of the last minute, written for people?"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from typing import Any

import click

from farandole.cli.__main__ import farandole
from farandole.cli.rendering.control_text import mode_text, pause_text, unfit_text
from farandole.cli.rendering.drain_view import drain_lines
from farandole.cli.rendering.flag_text import flag_lines
from farandole.cli.rendering.rate_view import rate_lines
from farandole.cli.rendering.top_view import rates_summary
from farandole.events.control_documents import ControlDocument
from farandole.events.controls_in_force import TimedDocument, drain_in_force, stage_mode
from farandole.events.drain_document import DrainDocument
from farandole.events.next_step import plain_command_line
from farandole.events.switch_document import SwitchDocument
from farandole.events.throttle_document import RateTarget, ThrottleDocument
from farandole.operations.control.control_query import mode_state, pause_state, unfit_controls
from farandole.operations.control.flag_report import FlagRuleState, FlagsReport, FlagState
from farandole.operations.control.rate_reports import HeldBack, RateReport, find_rates
from farandole.operations.drain.drain_state import DrainState
from farandole.operations.status.stage_rates import RatesResult
from tests.events.test_throttles_in_force import version

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def flag_line(*rules: FlagRuleState) -> str:
    state = FlagState(
        flag="most", type="int", default=9, rules=[*rules], since=NOW, until=None, by="",
        generation=7,
    )  # fmt: skip
    (line,) = flag_lines(FlagsReport(flags=[state]))
    return line


def rule(value: int, stage: str = "", share: float | None = None) -> FlagRuleState:
    return FlagRuleState(value=value, stage=stage, share=share, when="")


def test_the_last_value_of_a_flag_is_said_to_be_for_the_rest() -> None:
    assert flag_line(rule(1, share=0.5), rule(2, "price"), rule(3)).startswith(
        "flag most: 1 for 50 % of the keys, 2 in price, otherwise 3 since "
    )
    assert flag_line(rule(3)).startswith("flag most: 3 since ")
    assert flag_line(rule(2, "price")).startswith("flag most: 2 in price, 9 by default since ")
    assert flag_line().startswith("flag most: 9 by default since ")


COMMENT = "the disk\nis full"
SHOWN = ' by ann ("the disk is full")'


def test_the_comment_of_every_kind_of_document_is_shown_beside_who_has_written_it() -> None:
    hold = SwitchDocument(pipeline="p", stage="s", mode="hold", by="ann", comment=COMMENT)
    unfit = hold.model_copy(update={"stage": "gone"})
    throttle = ThrottleDocument(pipeline="p", stage="s", rate="5/s", by="ann", comment=COMMENT)
    drain = DrainDocument(pipeline="p", by="ann", comment=COMMENT)
    written: list[ControlDocument] = [hold, unfit, throttle, drain]
    documents = [TimedDocument(each, NOW, n) for n, each in enumerate(written)]
    rate = find_rates("p", RateTarget("s"), {1: version()}, documents, NOW)
    drained = drain_in_force(documents, "p", NOW)
    assert rate is not None
    assert drained is not None
    mode = stage_mode(documents, "p", "s", NOW)
    pause = pause_state(mode)
    assert pause is not None
    (misfit,) = unfit_controls(documents, [version()], NOW)
    held = HeldBack(sharers=1, waiting=0, since=None)
    state = DrainState(
        pipeline="p", state="drained", since=NOW, by=drained.by, comment=drained.comment
    )
    lines = [
        mode_text(mode_state(mode)),
        pause_text(pause),
        unfit_text(misfit),
        *chain(
            rate_lines(RateReport(**rate.to_data(), held=held)),
            drain_lines(state, plain_command_line),
        ),
    ]
    assert [SHOWN in line for line in lines] == [True] * 5, lines


def test_every_command_that_writes_a_state_takes_a_comment() -> None:
    for name in ("switch", "pause", "throttle", "flag", "drain"):
        command = farandole.get_command(click.Context(farandole), name)
        assert command is not None
        assert "comment" in {each.name for each in command.params}


def summary(**minute: Any) -> str:
    rates = RatesResult.model_construct(trouble=None, stages=[{"1m": minute}])
    return rates_summary(rates, plain_command_line)


def test_a_minute_in_which_nothing_was_settled_has_no_rate() -> None:
    assert summary(rate=0.0, age=None) == "stage by stage: farandole top"
    assert summary(rate=2.0, age=1.0) == (
        "over the last minute 2.0 events/s were settled, the oldest 1.0 s old; stage by stage:"
        " farandole top"
    )
