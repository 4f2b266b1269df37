"""Which settings are in force for a pipeline's folder, and where does each come from?"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr

from farandole.broker import embedded_kafka
from farandole.broker.settings import ENV_PREFIX, ConfiguredSettings, Settings
from farandole.monitor.settings import MonitorSettings
from farandole.notifier.settings import NotifierSettings
from farandole.operations.errors import translated_errors
from farandole.operations.results import Result
from farandole.operations.setup.metrics_settings import MetricsSettings
from farandole.operations.setup.web_settings import WebSettings

SETTINGS_MODELS: tuple[type[ConfiguredSettings], ...] = (
    Settings, NotifierSettings, MonitorSettings, WebSettings, MetricsSettings,
)  # fmt: skip
PROCESS_VARIABLES = ("LIVENESS_FILE", "DEBUG")
"""What is read from the environment alone, without the prefix."""
INTERNAL_VARIABLES = ("BEAT_FD",)
"""What the supervisor tells its children, without the prefix."""
MASK = "********"

Source = Literal["default", "farandole.toml", ".env", "environment", "option", "embedded Kafka"]


@dataclass(frozen=True, slots=True)
class SettingsRequest:
    """A folder, and what was said before its files were read."""

    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    """Values of options of the command line, by setting; None if an option was not given."""
    env_file_variables: Collection[str] = ()
    """The variables that the folder's `.env` has added to the environment."""


class SettingRow(Result):
    """One setting."""

    variable: str
    setting: str | None
    """Its name in `farandole.toml`, with its table; None if it is read from the environment
    alone."""
    value: Any
    """None if it is not set and has no default; a secret is masked."""
    unit: Literal["s"] | None
    source: Source


class UnknownVariable(Result):
    """A variable that looks like a setting and is none."""

    variable: str
    near: str | None
    """The variable that was probably meant."""


class SettingsResult(Result):
    """All settings, in the order of the documentation."""

    folder: str
    settings: tuple[SettingRow, ...]
    unknown: tuple[UnknownVariable, ...]


def show_settings(request: SettingsRequest) -> SettingsResult:
    """Return every setting with its value and source. Kafka is not asked. Raises UnavailableError
    (`settings_invalid`)."""
    with translated_errors():
        rows = [row for model in SETTINGS_MODELS for row in _model_rows(model, request)]
    rows += _process_rows(request)
    return SettingsResult(
        folder=str(request.folder.resolve()),
        settings=tuple(_with_embedded_kafka(rows, request.folder)),
        unknown=tuple(unknown_variables(os.environ)),
    )


def setting_unit(model: type[ConfiguredSettings], name: str) -> Literal["s"] | None:
    """Return the unit of a setting: every time is a float, and every float a time."""
    return "s" if model.model_fields[name].annotation is float else None


def known_variables() -> list[str]:
    """Return the variables that mean something to Farandole."""
    names = [name for model in SETTINGS_MODELS for name in model.model_fields]
    return [f"{ENV_PREFIX}{name.upper()}" for name in (*names, *PROCESS_VARIABLES)]


def unknown_variables(environment: Mapping[str, str]) -> Iterator[UnknownVariable]:
    """Yield the variables with our prefix that nothing reads: they are probably misspelled."""
    known = known_variables()
    internal = {f"{ENV_PREFIX}{name}" for name in INTERNAL_VARIABLES}
    for variable in sorted(environment):
        name = variable.upper()
        if name.startswith(ENV_PREFIX) and name not in internal.union(known):
            near = get_close_matches(name, known, n=1, cutoff=0.8)
            yield UnknownVariable(variable=variable, near=near[0] if near else None)


def _model_rows(model: type[ConfiguredSettings], request: SettingsRequest) -> Iterator[SettingRow]:
    options = {
        name: value
        for name, value in request.options.items()
        if name in model.model_fields and value is not None
    }
    loaded = model.load(request.folder, **options)
    origins = model.origins(request.folder)
    env_file = {variable.upper() for variable in request.env_file_variables}
    for name in model.model_fields:
        variable = f"{ENV_PREFIX}{name.upper()}"
        source: Source = "default"
        if name in options:
            source = "option"
        elif origins.get(name) == "environment":
            source = ".env" if variable in env_file else "environment"
        elif origins.get(name) == "file":
            source = "farandole.toml"
        yield SettingRow(
            variable=variable,
            setting=f"{model.table}.{name}" if model.table else name,
            value=_plain_value(getattr(loaded, name)),
            unit=setting_unit(model, name),
            source=source,
        )


def _process_rows(request: SettingsRequest) -> Iterator[SettingRow]:
    for name in PROCESS_VARIABLES:
        variable = f"{ENV_PREFIX}{name}"
        value = os.environ.get(variable)
        source: Source = "default" if value is None else "environment"
        if variable in request.env_file_variables:
            source = ".env"
        yield SettingRow(variable=variable, setting=None, value=value, unit=None, source=source)


def _with_embedded_kafka(rows: list[SettingRow], folder: Path) -> Iterator[SettingRow]:
    """Yield the rows with the address of the folder's embedded Kafka, if that runs and no other is
    named."""
    own = next(row for row in rows if row.setting == "bootstrap").value is not None
    running = None if own else embedded_kafka.embedded_status(folder.resolve())
    found: dict[str, Any] = {}
    if running is not None:
        found = {
            "bootstrap": running.address,
            "cluster_id": running.cluster_id,
            "replication_factor": running.size,
        }
    for row in rows:
        value = found.get(row.setting or "")
        if value is None or row.source != "default":
            yield row
        else:
            yield row.model_copy(update={"value": value, "source": "embedded Kafka"})


def _plain_value(value: Any) -> Any:
    """Return a value as JSON data, without secrets."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return ",".join(value) or None
    return str(value) if isinstance(value, Path) else value
