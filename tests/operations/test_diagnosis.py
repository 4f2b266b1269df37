"""Does `doctor` find what is wrong, and say what to do?"""

from __future__ import annotations

import fcntl
import json
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from farandole.broker import embedded_kafka
from farandole.broker.settings import Settings
from farandole.events.next_step import plain_command_line
from farandole.operations.diagnosis.check_row import CheckRow
from farandole.operations.diagnosis.diagnose import DiagnosisRequest, diagnose
from farandole.operations.diagnosis.process_checks import ProcessEntry, check_processes
from farandole.operations.setup.show_settings import SettingsRequest
from farandole.operations.topology_source import TopologySource

pytestmark = pytest.mark.usefixtures("unset")

GOOD = "pipeline: shop\nstages:\n  greet: {subscribes: a.b, external: true}\nevents: {a.b: {}}\n"


async def rows(folder: Path, **options: str | None) -> dict[str, CheckRow]:
    request = DiagnosisRequest(
        TopologySource(folder / "topology.yaml", folder),
        SettingsRequest(folder, options),
        plain_command_line,
    )
    result = await diagnose(request)
    states = {row.state for row in result.checks}
    assert result.worst == next(s for s in ("fault", "warning", "ok") if s in states)
    assert all((row.remedy is None) == (row.state == "ok") for row in result.checks)
    return {row.check: row for row in result.checks}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "topology.yaml").write_text(GOOD)
    return tmp_path


async def test_a_folder_without_a_file_is_told_to_begin_one(tmp_path: Path) -> None:
    found = (await rows(tmp_path))["topology"]
    assert found.state == "fault"
    assert "farandole init" in (found.remedy or "")


async def test_a_mistake_in_the_file_is_shown_with_its_place(folder: Path) -> None:
    (folder / "topology.yaml").write_text(GOOD.replace("subscribes", "subscribe"))
    found = (await rows(folder))["topology"]
    assert found.state == "fault"
    assert "topology.yaml:3:" in found.found


async def test_a_bad_setting_is_a_fault_and_a_misspelled_one_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARANDOLE_BOOTSTRP", "a:1")
    assert (await rows(folder))["settings"].state == "warning"
    monkeypatch.setenv("FARANDOLE_DEADLINE", "soon")
    found = (await rows(folder))["settings"]
    assert (found.state, "FARANDOLE_DEADLINE" in found.found) == ("fault", True)


@pytest.mark.parametrize(("free", "state"), [(10**8, "fault"), (10**9, "warning"), (10**10, "ok")])
async def test_a_disk_that_is_nearly_full_is_told(
    folder: Path, free: int, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert (await rows(folder))["disk"].state == state


async def test_a_kafka_that_does_not_run_is_a_warning_with_the_command(folder: Path) -> None:
    found = (await rows(folder))["kafka"]
    assert found.state == "warning"
    assert "farandole up" in (found.remedy or "")


async def test_the_port_of_the_last_start_must_be_free(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        home = embedded_kafka.kafka_home(folder)
        home.mkdir(parents=True)
        (home / "port.json").write_text(json.dumps({"port": port}))
        found = (await rows(folder))["port"]
    assert (found.state, str(port) in found.found) == ("warning", True)
    assert (await rows(folder))["port"].state == "ok"


async def test_a_kafka_of_yours_that_does_not_answer_is_a_fault(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"127.0.0.1:{gone.getsockname()[1]}"
    found = await rows(folder, bootstrap=address)
    assert found["kafka"].state == "fault"
    assert address in found["kafka"].found
    assert found["java"].found == "not needed: the Kafka is yours"


async def test_a_lock_that_is_held_is_told(folder: Path) -> None:
    file = embedded_kafka.start_lock(folder)
    file.parent.mkdir(parents=True)
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        found = (await rows(folder))["locks"]
        assert str(file) in found.found
    assert "locks" not in await rows(folder)


def processes(place: Path, *, parent: int) -> list[ProcessEntry]:
    return [
        ProcessEntry(1, 0, "/sbin/init"),
        ProcessEntry(70, parent, f"python -P -m farandole.services.worker_main {place} shop"),
        ProcessEntry(71, parent, f"python -m farandole -C {place}-2 up"),
        ProcessEntry(72, 1, f"java -Dlog=x={place}/.farandole/kafka/log.properties kafka.Kafka"),
        ProcessEntry(73, 1, f"vim {place}/topology.yaml"),
    ]


def test_what_was_left_behind_is_named_with_its_pid(tmp_path: Path) -> None:
    found = list(check_processes(tmp_path, processes(tmp_path, parent=1)))
    assert [row.remedy for row in found] == [
        "kill 70, unless you started it to run on by itself", "kill 72",
    ]  # fmt: skip


def test_what_has_a_parent_is_left_alone(tmp_path: Path) -> None:
    found = list(check_processes(tmp_path, processes(tmp_path, parent=50)))
    assert [row.remedy for row in found] == ["kill 72"]


def test_in_a_container_the_first_process_is_the_parent(tmp_path: Path) -> None:
    inside = processes(tmp_path, parent=1)
    inside[0] = ProcessEntry(1, 0, "farandole work")
    assert [row.remedy for row in check_processes(tmp_path, inside)] == ["kill 72"]


@pytest.mark.kafka
async def test_a_kafka_that_works_is_ok(folder: Path, settings: Settings) -> None:
    found = await rows(folder, bootstrap=settings.bootstrap, namespace=settings.namespace)
    states = {check: found[check].state for check in ("kafka", "clock", "rights", "applied")}
    assert set(states.values()) == {"ok"}, found
    assert f"{settings.bootstrap} answers" in found["kafka"].found
    assert found["applied"].found == "nothing was applied yet, in this namespace"
