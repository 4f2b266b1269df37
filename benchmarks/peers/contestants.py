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
_SLOW = 30.0  # seconds that are enough to know the rate of who never gets through


@dataclass(frozen=True, slots=True)
class Hop:
    """What a contestant is to move, and whither."""

    bootstrap: str
    source: str
    target: str
    group: str
    folder: Path
    """For whatever it keeps on disk."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One line of the table."""

    name: str
    guarantee: str
    command: Callable[[Home, Hop], Sequence[str]]
    install: Callable[[Path], Home] | None = None
    """Into that folder. Raises MissingPeerError. None: nothing is to be installed."""
    home: str = ""
    """The folder's name: what two contestants share is installed once."""
    limit: float | None = None
    """Seconds after which it is cut, if fewer than everybody's."""
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


def _installs(name: str) -> Callable[[Path], Home]:
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
        _installs("confluent"), "confluent",
    ),
    Contestant("Quix Streams", EXACTLY, _python("quix"), _installs("quix"), "quix"),
    Contestant(
        "FastStream, batches", AT_LEAST, _python("faststream_batch"),
        _installs("faststream"), "faststream",
    ),
    Contestant(
        "FastStream, batches, its defaults", AT_MOST, _python("faststream_batch", "default"),
        _installs("faststream"), "faststream", _SLOW,
    ),
    Contestant(
        "FastStream, single", AT_LEAST, _python("faststream_single"),
        _installs("faststream"), "faststream", _SLOW,
    ),
    Contestant("Faust", AT_LEAST, _python("faust"), _installs("faust"), "faust", _SLOW),
)  # fmt: skip
