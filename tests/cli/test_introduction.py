"""Which commands does `up` show at its start?"""

from __future__ import annotations

from farandole.broker.settings import Settings
from farandole.cli.rendering.introduction import introduction_lines
from farandole.events.next_step import plain_command_line
from farandole.events.schedule_spec import ScheduleSpec
from tests.catalog.made import version


def test_schedules_are_named_where_there_are_some() -> None:
    def shown(*names: str) -> list[str]:
        schedules = {name: ScheduleSpec(triggers="a", cron="@daily") for name in names}
        made = version(1).model_copy(update={"schedules": schedules})
        return [*introduction_lines(Settings(), made, plain_command_line)]

    assert "farandole schedules" in shown("nightly")
    assert "farandole schedules" not in shown()
