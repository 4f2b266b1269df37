"""Does each template make a folder that is right from the first minute, and overwrite nothing?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from farandole.operations.errors import InvalidRequestError, RefusedError
from farandole.operations.setup.new_files import write_new_files
from farandole.operations.setup.new_pipeline import (
    TEMPLATES,
    NewPipelineRequest,
    create_pipeline,
    suggest_name,
)
from farandole.router import editor_schema

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=TEMPLATES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pipelines") / "My Pipeline 7"
    create_pipeline(NewPipelineRequest(made, request.param))
    return made


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    # Nobody who tries a template has our configuration of pytest, or our plugins.
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True,
        text=True, timeout=240,
    )  # fmt: skip


def test_it_lints_without_a_warning(folder: Path) -> None:
    linted = run(folder, "farandole", "lint")
    assert (linted.returncode, linted.stderr) == (0, "")
    assert linted.stdout.startswith("topology.yaml: my-pipeline-7 is fit to be applied")


def test_the_schedule_in_its_comments_is_fit(folder: Path) -> None:
    before, marker, rest = (folder / "topology.yaml").read_text().partition("# schedules:")
    commented, blank, stages = rest.partition("\n\n")
    schedules = (marker + commented).replace("\n# ", "\n").removeprefix("# ")
    (folder / "scheduled.yaml").write_text(before + schedules + blank + stages)
    linted = run(folder, "farandole", "lint", "scheduled.yaml")
    (folder / "scheduled.yaml").unlink()
    assert (linted.returncode, linted.stderr) == (0, "")
    assert linted.stdout.endswith(", 1 schedule\n")


def test_its_test_passes(folder: Path) -> None:
    tested = run(folder, "pytest", "-q", "-p", "farandole.testing.pytest_plugin")
    assert tested.returncode == 0, tested.stdout


def test_its_types_are_right(folder: Path) -> None:
    # With a cache of its own it would read pydantic and pytest again, which takes long.
    checked = run(folder, "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache"), ".")
    assert checked.returncode == 0, checked.stdout


def test_it_is_formatted(folder: Path) -> None:
    assert run(folder, "ruff", "check", "--isolated", "--select", "E,F,I,B,UP", ".").stdout == (
        "All checks passed!\n"
    )
    assert run(folder, "ruff", "format", "--isolated", "--check", ".").returncode == 0


def test_the_editor_finds_the_schema(folder: Path) -> None:
    first = (folder / "topology.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=./topology.schema.json"
    schema = json.loads((folder / "topology.schema.json").read_text())
    assert schema == editor_schema.topology_json_schema()


def test_secrets_and_data_are_not_committed(folder: Path) -> None:
    ignored = (folder / ".gitignore").read_text().splitlines()
    assert {".farandole/", ".env"} <= set(ignored)


def test_the_readme_has_five_commands(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    assert text.startswith("# my-pipeline-7\n")
    assert len(text.split("```sh\n")[1].split("```")[0].splitlines()) == 5


def test_what_exists_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "topology.yaml").symlink_to("nowhere")
    (tmp_path / "orders").write_text("no folder")
    with pytest.raises(RefusedError) as refused:
        create_pipeline(NewPipelineRequest(tmp_path))
    assert refused.value.code == "files_in_the_way"
    taken = [tmp_path / name for name in ("README.md", "orders", "topology.yaml")]
    assert refused.value.fields["files"] == [str(file) for file in taken]
    assert sorted(tmp_path.iterdir()) == taken
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_failure_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    contents = {Path("a/b/one"): b"1", Path("two"): b"2", Path("x" * 300): b"3"}
    with pytest.raises(RefusedError) as refused:
        write_new_files(tmp_path / "new", contents)
    assert refused.value.code == "folder_unusable"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["Shop", "farandole", "a--b", "", "ä"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="pipeline name"):
        create_pipeline(NewPipelineRequest(tmp_path / "new", name=name))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="minimal, feed, enrich"):
        create_pipeline(NewPipelineRequest(tmp_path, template="large"))


@pytest.mark.parametrize(
    ("folder_name", "name"),
    [("shop", "shop"), ("Überfall_2", "berfall-2"), ("日本", "my-pipeline"),
     ("farandole", "my-pipeline"), ("x" * 200, "x" * 40)],
)  # fmt: skip
def test_a_folder_suggests_a_name(tmp_path: Path, folder_name: str, name: str) -> None:
    assert suggest_name(tmp_path / folder_name) == name
