"""Is a person told whose module hides another one?"""

from __future__ import annotations

from pathlib import Path

import pytest

from farandole.events.kafka_names import KafkaNames
from farandole.router.topology_file_check import check_topology_file

FILE = "pipeline: p\nevents: {a: {}}\nstages:\n  s: {subscribes: a, run: 'own_work:work'}\n"
GENERIC = FILE.replace("own_work:work", "stages.generic.sample:sample").replace(
    "sample'}", "sample', with: {share: 1}}"
)
WORK = "def work(event: dict) -> None: ...\n"


def warnings(folder: Path, files: dict[str, str], text: str = FILE) -> list[str]:
    for name, content in {"own_work.py": WORK, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "topology.yaml").write_text(text)
    checked = check_topology_file(folder / "topology.yaml", KafkaNames())
    assert {finding.severity for finding in checked.findings} <= {"warning"}
    assert checked.is_fit
    return [finding.message for finding in checked.findings]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("colorsys.py", "the module 'colorsys' of the standard library"),
        ("colorsys/__init__.py", "the module 'colorsys' of the standard library"),
        ("farandole.py", "Farandole itself"),
        ("aiohttp/__init__.py", "'aiohttp' of aiohttp, which Farandole needs,"),
        ("multidict.py", "'multidict' of multidict, which Farandole needs,"),
    ],
)
def test_a_module_that_hides_another_is_warned_of(tmp_path: Path, file: str, said: str) -> None:
    assert warnings(tmp_path, {file: ""}) == [f"{file} hides {said} from all other code"]


@pytest.mark.parametrize(
    "file", ["events.py", "router.py", "cli.py", "pytest.py", "json/data.txt", "stages/json.py"]
)
def test_a_module_that_hides_nothing_that_we_need_is_not(tmp_path: Path, file: str) -> None:
    assert warnings(tmp_path, {file: ""}) == []


def test_a_generic_stage_of_the_users_own_that_loses_to_ours_is_warned_of(tmp_path: Path) -> None:
    assert warnings(tmp_path, {"stages/generic/sample.py": WORK}, GENERIC) == [
        "stages.generic.sample is Farandole's own: stages/generic/sample.py is not used"
    ]
    assert warnings(tmp_path, {"stages/generic/mine.py": WORK}, GENERIC)
    (tmp_path / "stages/generic/sample.py").unlink()
    assert warnings(tmp_path, {}, GENERIC) == []
