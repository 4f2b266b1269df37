"""How are settings shown on a terminal?"""

from __future__ import annotations

from farandole.cli.rendering.tables import format_columns
from farandole.events.safe_text import single_line
from farandole.operations.setup.show_settings import SettingRow, SettingsResult, UnknownVariable

UNSET = "–"
EMBEDDED = "the embedded Kafka, which does not run"


def settings_table(result: SettingsResult) -> list[str]:
    """Return a table of settings, one line each."""
    rows = [(row.variable, _value_text(row), row.source) for row in result.settings]
    return format_columns([("variable", "value", "from"), *rows], left=3)


def unknown_variable_text(unknown: UnknownVariable) -> str:
    """Return that nothing reads a variable, and what was probably meant."""
    meant = f"; did you mean {unknown.near}?" if unknown.near else "; nothing reads it"
    return f"{single_line(unknown.variable)} is no setting{meant}"


def _value_text(row: SettingRow) -> str:
    value = row.value
    if row.setting == "bootstrap" and value is None:
        return EMBEDDED
    if value is None or value == "":
        return UNSET
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g} {row.unit}"
    return single_line(str(value))
