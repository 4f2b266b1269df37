"""How are the switches of a pipeline shown in a terminal?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from farandole.cli.rendering.canary_view import canary_lines
from farandole.cli.rendering.control_text import mode_text, unfit_text, unreadable_text
from farandole.cli.rendering.flag_text import flag_lines
from farandole.cli.rendering.rate_view import limit_lines, rate_lines
from farandole.cli.rendering.shadow_view import shadow_lines
from farandole.cli.rendering.tables import Alarm
from farandole.events.next_step import CommandLine
from farandole.events.safe_text import single_line
from farandole.events.time_format import utc_timestamp
from farandole.operations.control.switches import StageSwitch, SwitchesResult

SectionLines = Callable[[Any], Iterator[str]]
"""Yields the lines of a report."""


class CandidateSectionLines(Protocol):
    """Yields the lines of a report about a candidate, whose switch may be over."""

    def __call__(self, report: Any, *, is_over: bool) -> Iterator[str]: ...


CANDIDATE_SECTION_LINES: Mapping[str, CandidateSectionLines] = MappingProxyType(
    {"shadow": shadow_lines, "canary": canary_lines}
)
"""By the key of `operations.control.switch_sections.STAGE_SECTIONS`, as the next table."""
STAGE_SECTION_LINES: Mapping[str, SectionLines] = MappingProxyType({"throttle": rate_lines})
PIPELINE_SECTION_LINES: Mapping[str, SectionLines] = MappingProxyType(
    {"flags": flag_lines, "roots": rate_lines, "limits": limit_lines}
)
"""By the key of `operations.control.switch_sections.PIPELINE_SECTIONS`."""


def switches_lines(result: SwitchesResult, command_line: CommandLine) -> Iterator[str]:
    """Yield the lines about all switches."""
    for stage in result.stages:
        yield from _stage_lines(stage, command_line)
    for name, section in result.sections.items():
        yield from PIPELINE_SECTION_LINES[name](section)
    if not result.stages and not result.sections:
        yield f"{result.pipeline}: every stage is on"
    for unfit in result.unfit:
        yield Alarm(unfit_text(unfit))
    for control in result.unreadable_controls:
        yield Alarm(unreadable_text(control))


def _stage_lines(stage: StageSwitch, command_line: CommandLine) -> Iterator[str]:
    yield f"{stage.stage}: {mode_text(stage)}"
    if stage.ended is not None:
        ended = stage.ended
        why = f": {single_line(ended.why)}" if ended.why else ""
        yield Alarm(
            f"  its {ended.mode} (generation {ended.generation}) is over since"
            f" {utc_timestamp(ended.at)}{why}; {command_line('switch', stage.stage, 'on')} clears"
            " this"
        )
    is_over = stage.ended is not None or stage.mode == "on"
    for name, section in stage.sections.items():
        if name in CANDIDATE_SECTION_LINES:
            lines = CANDIDATE_SECTION_LINES[name](section, is_over=is_over)
        else:
            lines = STAGE_SECTION_LINES[name](section)
        for line in lines:
            yield f"  {line}"
