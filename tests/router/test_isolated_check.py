"""Does each check see the functions as they are saved now, whatever their modules do?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farandole.events.kafka_names import KafkaNames
from farandole.router.isolated_check import IsolatedChecker, check_in_this_process
from tests.router.conftest import GOOD, Folder


@pytest.fixture
async def judges(tmp_path: Path) -> AsyncIterator[IsolatedChecker]:
    found = IsolatedChecker(tmp_path, "t")
    yield found
    await found.close()


async def test_a_verdict_is_that_of_this_process(folder: Folder, judges: IsolatedChecker) -> None:
    file = folder()
    assert await judges.check(file) == check_in_this_process(file, KafkaNames("t"), file.parent)


async def test_a_function_that_was_just_written_is_found(
    folder: Folder, judges: IsolatedChecker
) -> None:
    file = folder(GOOD.replace("load: {", "load: {run: 'work.load:other', "))
    before = await judges.check(file)
    assert [f.message for f in before.findings] == ["work/load.py has no function 'other'"]
    folder(file.read_bytes(), {"load": "def other(lines: list[Line]) -> None: ..."})
    assert (await judges.check(file)).derived is not None


async def test_output_of_a_module_does_not_disturb_the_verdict(
    folder: Folder, judges: IsolatedChecker
) -> None:
    file = folder(functions={"load": "print('hello')\ndef load(lines: list[Line]) -> None: ..."})
    assert (await judges.check(file)).derived is not None


async def test_a_module_that_ends_its_process_is_a_finding(
    folder: Folder, judges: IsolatedChecker
) -> None:
    file = folder(functions={"load": "import os; os._exit(3)"})
    (finding,) = (await judges.check(file)).findings
    assert "ended with 3" in finding.message


async def test_a_module_that_blocks_its_import_is_a_finding(
    folder: Folder, judges: IsolatedChecker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farandole.router.isolated_check.CHECK_TIMEOUT_SECONDS", 3.0)
    file = folder(functions={"load": "import time; time.sleep(60)"})
    (finding,) = (await judges.check(file)).findings
    assert "cannot be imported within 3 s" in finding.message


async def test_a_missing_file_is_a_finding(tmp_path: Path, judges: IsolatedChecker) -> None:
    (finding,) = (await judges.check(tmp_path / "nothing.yaml")).findings
    assert "cannot be read" in finding.message


async def test_a_waiting_process_that_has_died_is_replaced(
    folder: Folder, judges: IsolatedChecker
) -> None:
    await judges.prepare()
    assert judges._next is not None
    judges._next.kill()
    await judges._next.wait()
    assert (await judges.check(folder())).derived is not None
