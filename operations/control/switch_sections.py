"""Which reports say what a control in force has done so far?

A mode, the flags, a throttle or a drain each have a module here with a function that returns its
report for one scope; it has one line in one of the tables below, and one in
`cli/rendering/switches_view.py`, which shows it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from farandole.operations.control.canary_report import canary_report
from farandole.operations.control.flag_report import flags_report
from farandole.operations.control.rate_reports import limits_report, roots_report, throttle_report
from farandole.operations.control.shadow_report import shadow_report
from farandole.operations.control.switch_scopes import PipelineScope, StageScope
from farandole.operations.results import Result

StageSection = Callable[[StageScope], Awaitable[Result | None]]
"""Returns None, at once, if there is nothing to report."""
PipelineSection = Callable[[PipelineScope], Awaitable[Result | None]]

STAGE_SECTIONS: Mapping[str, StageSection] = MappingProxyType(
    {"shadow": shadow_report, "canary": canary_report, "throttle": throttle_report}
)
"""By the key under which `--json` has it."""
PIPELINE_SECTIONS: Mapping[str, PipelineSection] = MappingProxyType(
    {"flags": flags_report, "roots": roots_report, "limits": limits_report}
)
