"""Who takes part, with which guarantee, and by which command?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.installed import Home, by_pip, streams

_PROGRAMS = Path(__file__).parent / "programs"
_ROOT = Path(__file__).parent.parent.parent
EXACTLY, AT_LEAST, AT_MOST = "exactly once", "at least once", "at most once"
_SLOW = 30.0  # seconds for contestants that are too slow to finish


@dataclass(frozen=True, slots=True)
class Hop:
    """From where to where a contestant moves lines."""

    bootstrap: str
    source: str
    target: str
    group: str
    folder: Path
    """A folder for files of the contestant."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One line of the table."""

    name: str
    guarantee: str
    command: Callable[[Home, Hop], Sequence[str]]
    install: Callable[[Path], Home] | None = None
    """Installs the contestant into a folder. Raises MissingPeerError. None if nothing has to be
    installed."""
    home: str = ""
    """The name of the folder. Two contestants may share one."""
    limit: float | None = None
    """Seconds after which a run is stopped; None if the limit of all contestants holds."""
    ours: bool = False


def _farandole(processes: int) -> Callable[[Home, Hop], Sequence[str]]:
    def command(_: Home, hop: Hop) -> Sequence[str]:
        return [
            sys.executable, "-P", "-m", "farandole", "-C", str(_ROOT),
            "-f", str(hop.folder / "topology.yaml"), "--bootstrap", hop.bootstrap,
            "work", "hop0", "--processes", str(processes),
        ]  # fmt: skip

    return command


def _python(program: str, *more: str) -> Callable[[Home, Hop], Sequence[str]]:
    def command(home: Home, hop: Hop) -> Sequence[str]:
        # -P: a program here may have the name of the package that it uses.
        return [
            *home.command, "-P", str(_PROGRAMS / f"{program}.py"),
            hop.bootstrap, hop.source, hop.target, hop.group, *more,
        ]  # fmt: skip

    return command


def _java(threads: int) -> Callable[[Home, Hop], Sequence[str]]:
    def command(home: Home, hop: Hop) -> Sequence[str]:
        return [
            *home.command, hop.bootstrap, hop.source, hop.target, hop.group,
            str(threads), str(hop.folder),
        ]  # fmt: skip

    return command


def _pip_install(name: str) -> Callable[[Path], Home]:
    return lambda folder: by_pip(folder, _PROGRAMS / f"requirements-{name}.txt")


CONTESTANTS = (
    Contestant("Farandole, 1 process", EXACTLY, _farandole(1), ours=True),
    Contestant("Farandole, 2 processes", EXACTLY, _farandole(2), ours=True),
    Contestant(
        "Kafka Streams, 1 thread", EXACTLY, _java(1),
        lambda folder: streams(folder, _PROGRAMS / "Hop.java"), "kafka-streams",
    ),
    Contestant(
        "Kafka Streams, 2 threads", EXACTLY, _java(2),
        lambda folder: streams(folder, _PROGRAMS / "Hop.java"), "kafka-streams",
    ),
    Contestant(
        "confluent-kafka, a loop", EXACTLY, _python("confluent"),
        _pip_install("confluent"), "confluent",
    ),
    Contestant("Quix Streams", EXACTLY, _python("quix"), _pip_install("quix"), "quix"),
    Contestant(
        "FastStream, batches", AT_LEAST, _python("faststream_batch"),
        _pip_install("faststream"), "faststream",
    ),
    Contestant(
        "FastStream, batches, its defaults", AT_MOST, _python("faststream_batch", "default"),
        _pip_install("faststream"), "faststream", _SLOW,
    ),
    Contestant(
        "FastStream, single", AT_LEAST, _python("faststream_single"),
        _pip_install("faststream"), "faststream", _SLOW,
    ),
    Contestant("Faust", AT_LEAST, _python("faust"), _pip_install("faust"), "faust", _SLOW),
)  # fmt: skip
