"""Does Farandole work where it was installed, and a user's modules are named like its rooms?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import textwrap
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from farandole.broker.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).parents[1]
_SITE_PACKAGES = [path for path in sys.path if path.endswith("site-packages")]

TOPOLOGY = """\
pipeline: shop
events:
  visitor.came: {partitions: 1}
stages:
  greet: {run: "events:greet", subscribes: visitor.came, emits: visitor.greeted}
  shout: {run: "stages.router:shout", subscribes: visitor.greeted, emits: visitor.heard}
  twice: {run: "router:twice", subscribes: visitor.heard, emits: visitor.answered}
"""
MODULES = {
    "cli.py": """
        from pydantic import BaseModel

        class Visitor(BaseModel):
            name: str
        """,
    "events.py": """
        from cli import Visitor
        from farandole import Reject

        def greet(visitor: Visitor) -> Visitor:
            if not visitor.name:
                raise Reject("a visitor without a name")
            return Visitor(name=f"Hello, {visitor.name}")
        """,
    "stages/router.py": """
        from cli import Visitor

        def shout(visitor: Visitor) -> Visitor:
            return Visitor(name=visitor.name.upper())
        """,
    "router.py": """
        from cli import Visitor
        from farandole import Context

        def twice(visitor: Visitor, context: Context) -> list[Visitor]:
            return [visitor, visitor]
        """,
}


BUNDLE = "farandole/web/static/"
"""What the build makes of the TypeScript sources, which are in no wheel."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that was built from an sdist."""
    into = tmp_path_factory.mktemp("dist")
    _build("sdist", into, ROOT)
    (sdist,) = into.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(into, filter="data")
    _build("wheel", into, into / sdist.name.removesuffix(".tar.gz"))
    (built,) = into.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel, beside what this environment holds."""
    home = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", "--without-pip", str(home))
    python = home / "bin" / "python"
    _run(
        sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps",
        "--no-index", "--disable-pip-version-check", str(wheel),
    )  # fmt: skip
    # Its editable installation stays behind: .pth files of a folder that a .pth names are not read.
    (_site_packages(python) / "dependencies.pth").write_text("\n".join(_SITE_PACKAGES) + "\n")
    return python


@pytest.fixture(params=[True, False], ids=["package", "namespace"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A pipeline's folder elsewhere, with and without an `__init__.py` in its `stages/`."""
    (tmp_path / "topology.yaml").write_text(TOPOLOGY)
    (tmp_path / "stages").mkdir()
    for name, code in MODULES.items():
        (tmp_path / name).write_text(textwrap.dedent(code))
    if request.param:
        (tmp_path / "stages" / "__init__.py").touch()
    return tmp_path


def test_a_wheel_from_an_sdist_holds_the_rooms_whole(wheel: Path) -> None:
    rooms = [each.name for each in (ROOT / "farandole").iterdir() if each.is_symlink()]
    listed = _run("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *rooms)
    expected = {f"farandole/{name}" for name in ("__init__.py", "__main__.py", "py.typed")} | {
        f"farandole/{name}"
        for name in listed.splitlines()
        if not name.startswith(("stages/order_lines/", "web/client/")) and (ROOT / name).exists()
    }
    assert {name for name in _files(wheel) if not name.startswith(BUNDLE)} == expected


def test_a_wheel_holds_the_pages_of_the_console(wheel: Path) -> None:
    assert {f"{BUNDLE}index.html", f"{BUNDLE}favicon.svg"} <= _files(wheel)


def _files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_site_packages_gets_one_package(installed: Path) -> None:
    names = {each.name for each in _site_packages(installed).iterdir()}
    assert {name for name in names if ".dist-info" not in name} == {"farandole", "dependencies.pth"}
    where = _run(str(installed), "-c", "import farandole; print(farandole.__file__)", cwd="/")
    assert where.startswith(str(_site_packages(installed)))


@pytest.mark.parametrize(
    ("folder", "how"), [(True, "wheel"), (False, "editable")], indirect=["folder"],
    ids=["package-wheel", "namespace-editable"],
)  # fmt: skip
def test_modules_may_be_named_like_rooms(installed: Path, folder: Path, how: str) -> None:
    python = str(installed) if how == "wheel" else sys.executable
    linted = _run(python, "-m", "farandole", "lint", cwd=folder)
    assert linted == "topology.yaml: shop is fit to be applied: 3 stages, 4 events\n"
    said = _run(python, "-m", "farandole", "-C", str(folder), "graph", cwd="/")
    assert "twice" in said


def test_the_demo_without_its_pipeline_says_so(installed: Path, folder: Path) -> None:
    ended = subprocess.run(
        [str(installed), "-m", "farandole", "demo"], cwd=folder, env=_environment(),
        capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1, ended.stderr


@pytest.fixture
def working(installed: Path, folder: Path, settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """`farandole up` of the folder, by the wheel."""
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [installed.with_name("farandole"), "up"], cwd=folder, env=_environment(settings),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield running
    finally:
        running.kill()
        running.wait()


@pytest.mark.kafka
@pytest.mark.parametrize("folder", [False], ids=["namespace"], indirect=True)
def test_a_small_pipeline_runs_elsewhere(
    installed: Path, folder: Path, settings: Settings, working: subprocess.Popen[bytes]
) -> None:
    def farandole(*arguments: str) -> str:
        return _run(str(installed), "-m", "farandole", *arguments, cwd=folder, settings=settings)

    log = folder / "log"
    ends = time.monotonic() + 100
    while "is in force" not in log.read_text():
        assert working.poll() is None and time.monotonic() < ends, log.read_text()  # noqa: PT018
        time.sleep(0.1)
    run = json.loads(farandole("trigger", "visitor.came", "--data", '{"name": "Ann"}', "--json"))
    assert run
    with_tail = [str(installed), "-m", "farandole", "tail", "visitor.answered", "--from-start"]
    tail = subprocess.Popen(
        with_tail, cwd=folder, env=_environment(settings), stdout=subprocess.PIPE, text=True
    )
    try:
        assert tail.stdout is not None
        answers = [json.loads(tail.stdout.readline()) for _ in range(2)]
    finally:
        tail.kill()
        tail.communicate()
    assert answers == [{"name": "HELLO, ANN"}] * 2
    working.terminate()
    assert working.wait(30) == 0, log.read_text()
    assert not re.search(r"Traceback", log.read_text())


def _build(what: str, into: Path, source: Path) -> None:
    _run(sys.executable, "-m", "hatchling", "build", "--target", what, "--directory", str(into),
         cwd=source)  # fmt: skip


def _site_packages(python: Path) -> Path:
    (found,) = python.parents[1].glob("lib/python3*/site-packages")
    return found


def _environment(settings: Settings | None = None) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    if settings is None:
        return clean
    return clean | {
        f"{ENV_PREFIX}BOOTSTRAP": settings.bootstrap or "",
        f"{ENV_PREFIX}NAMESPACE": settings.namespace,
        f"{ENV_PREFIX}REPLICATION_FACTOR": "1",
    }


def _run(*command: str, cwd: Path | str = ROOT, settings: Settings | None = None) -> str:
    ended = subprocess.run(
        command, cwd=cwd, env=_environment(settings), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
    return ended.stdout
