"""What keeps a pipeline's folder from working, and what is to be done about it?"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from farandole.broker import embedded_kafka
from farandole.broker.broker_errors import BrokerError, InvalidSettingsError
from farandole.broker.broker_resolution import not_running_text, resolve_broker
from farandole.broker.settings import Settings
from farandole.events.kafka_names import KafkaNames
from farandole.events.next_step import CommandLine
from farandole.operations.diagnosis.check_row import CheckRow, State, fault, ok, warning
from farandole.operations.diagnosis.console_check import check_console
from farandole.operations.diagnosis.kafka_checks import check_kafka
from farandole.operations.diagnosis.machine_checks import (
    check_disk,
    check_java,
    check_port,
    check_python,
)
from farandole.operations.diagnosis.process_checks import check_leftovers
from farandole.operations.errors import OperationError
from farandole.operations.results import Result
from farandole.operations.setup.show_settings import SettingsRequest, show_settings
from farandole.operations.topology_source import TopologySource, check_topology


@dataclass(frozen=True, slots=True)
class DiagnosisRequest:
    """The folder that is looked at."""

    topology: TopologySource
    settings: SettingsRequest
    command_line: CommandLine
    """How the commands in remedies are typed."""


class DiagnosisResult(Result):
    """Every check, in the order in which one rests on the other."""

    worst: State
    checks: tuple[CheckRow, ...]


async def diagnose(request: DiagnosisRequest) -> DiagnosisResult:
    """Look at everything, whatever fails. Nothing is changed but one transactional id and what
    Kafka keeps about it. Raises nothing."""
    rows = [row async for row in _checks(request)]
    states = {row.state for row in rows}
    worst: State = "fault" if "fault" in states else "warning" if "warning" in states else "ok"
    return DiagnosisResult(worst=worst, checks=tuple(rows))


async def _checks(request: DiagnosisRequest) -> AsyncIterator[CheckRow]:
    folder = request.settings.folder
    yield check_python()
    yield check_disk(folder)
    yield _check_folder(folder)
    settings: Settings | None = None
    try:
        settings = Settings.load(folder, **request.settings.options)
    except InvalidSettingsError as error:
        yield fault("settings", error.message, "correct it; `farandole config` shows all settings")
    else:
        yield _check_settings(request)
    yield _check_topology(request, settings.names if settings else KafkaNames())
    for row in check_leftovers(folder):
        yield row
    yield check_console(folder)
    if settings is not None:
        embedded = settings.bootstrap is None
        yield await check_java(embedded=embedded)
        async for row in _check_broker(request, settings, embedded=embedded):
            yield row


def _check_folder(folder: Path) -> CheckRow:
    place = folder.resolve()
    state = place / ".farandole"
    if not os.access(state if state.exists() else place, os.W_OK | os.X_OK):
        return fault(
            "folder",
            f"{place} cannot be written",
            "use another folder, or change its rights: Kafka and the monitor keep their data there",
        )
    return ok("folder", str(place))


def _check_settings(request: DiagnosisRequest) -> CheckRow:
    try:
        result = show_settings(request.settings)
    except OperationError as error:
        return fault("settings", error.message, "correct it; `farandole config` shows all settings")
    if result.unknown:
        names = ", ".join(unknown.variable for unknown in result.unknown)
        return warning("settings", f"nothing reads {names}", "see `farandole config`")
    given = [row for row in result.settings if row.source not in ("default", "embedded Kafka")]
    return ok("settings", f"{len(given)} given, the others are defaults")


def _check_topology(request: DiagnosisRequest, names: KafkaNames) -> CheckRow:
    file = request.topology.file
    if not file.exists():
        return fault(
            "topology",
            f"there is no {file}",
            f"make one: {request.command_line('init')}, or say where it is with -C DIR",
        )
    checked = check_topology(request.topology, names)
    if not checked.is_fit:
        return fault(
            "topology",
            str(checked.findings[0]),
            f"see all {len(checked.findings)}: {request.command_line('lint')}",
        )
    assert checked.topology is not None
    if checked.findings:
        return warning("topology", str(checked.findings[0]), request.command_line("lint"))
    return ok("topology", f"{checked.topology.pipeline}, fit to be applied")


async def _check_broker(
    request: DiagnosisRequest, settings: Settings, *, embedded: bool
) -> AsyncIterator[CheckRow]:
    folder = request.settings.folder.resolve()
    if embedded and embedded_kafka.embedded_status(folder) is None:
        for row in _not_running(request, folder):
            yield row
        return

    def remedy(error: BrokerError) -> str:
        if error.next_step is not None:
            return error.next_step.text(request.command_line)
        return "see docs/own-kafka.md" if not embedded else request.command_line("kafka status")

    try:
        resolved = await resolve_broker(settings, folder, start=False, progress=lambda _: None)
    except BrokerError as error:
        yield fault("kafka", error.message, remedy(error))
        return
    async for row in check_kafka(resolved, remedy):
        yield row


def _not_running(request: DiagnosisRequest, folder: Path) -> Iterator[CheckRow]:
    start = f"{request.command_line('up')}, or {request.command_line('kafka start')}"
    died = embedded_kafka.death_notice(folder) is not None
    yield (fault if died else warning)("kafka", not_running_text(folder), f"start it: {start}")
    yield check_port(folder)
