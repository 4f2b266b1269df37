"""How do the tests of the console call it?"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import ENV_PREFIX, Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.cli.__main__ import farandole
from farandole.events.dead_letter import FailureAccount, build_dead_letter
from farandole.events.record import OutgoingRecord
from farandole.events.run_ids import RunIdGenerator
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.router.topology_store import current_version
from tests.conftest import private_namespace, unset_settings
from tests.operations.buried import FIRST, bury

ROOT = Path(__file__).parents[2]
Call = Callable[..., Result]
Bury = Callable[..., None]
LINE: dict[str, Any] = {
    "household_id": 7, "store_id": 1, "basket_id": 2, "product_id": 3, "week": 13, "quantity": 0,
    "sales_cents": 100, "retail_cents": 0, "coupon_cents": 0, "match_cents": 0,
}  # fmt: skip


def environment(settings: Settings) -> dict[str, str]:
    """The variables under which a command reaches the tests' Kafka."""
    return {
        f"{ENV_PREFIX}BOOTSTRAP": settings.bootstrap or "",
        f"{ENV_PREFIX}NAMESPACE": settings.namespace,
        f"{ENV_PREFIX}REPLICATION_FACTOR": "1",
    }


def process(
    *arguments: str,
    env: Mapping[str, str],
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """`farandole` as a process of its own."""
    clean = {n: v for n, v in os.environ.items() if not n.startswith((ENV_PREFIX, "ORDER_LINES"))}
    return subprocess.Popen(
        [sys.executable, "-m", "farandole", *arguments],
        cwd=ROOT, env={**clean, **env}, text=True,
        stdin=stdin, stdout=stdout, stderr=stderr,
        # A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pipeline's folder with nothing but the shipped file."""
    shutil.copy(ROOT / "topology.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def call(folder: Path, unset: None) -> Call:
    """`farandole -C folder …` in this process."""
    runner = CliRunner()

    def call(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Result:
        return runner.invoke(farandole, ["-C", str(folder), *arguments], env=env, input=stdin)

    return call


@pytest.fixture
def applied(call: Call, settings: Settings) -> Call:
    """`farandole -C folder …` where the shipped file is in force, and `validate` has its retry
    topic."""
    env = environment(settings)

    def on_kafka(*arguments: str, **more: str) -> Any:
        return call(*arguments, env=env | more)

    assert on_kafka("apply").exit_code == 0

    async def created() -> None:
        topic = settings.names.retry_topic("order-lines", "validate")
        async with ClusterAdmin.open(settings) as admin:
            await admin.create_topics({topic: TopicSpec(4, {"cleanup.policy": "compact"})})

    asyncio.run(created())
    return on_kafka


@pytest.fixture
def die(settings: Settings) -> Bury:
    """Letters of lines that `validate` gave up on, one for each message."""
    lines = count()

    def die(
        *messages: str, data: Any = LINE, headers: Sequence[tuple[str, bytes]] = (), **more: Any
    ) -> None:
        async def died() -> None:
            version = await current_version(settings, "order-lines")
            assert version is not None
            root = version.events["feed.requested"].topic
            fields: dict[str, Any] = {
                "stage": "validate", "version": version.name, "error": "Reject", "attempts": 3,
                "run": RunIdGenerator(version.installation, root).run_id(0, 0, version.format),
                "first_failed": FIRST,
                "place": "validate.py:3",
                "traceback": "Traceback:\n  File \"validate.py\", line 3\n",
            } | more  # fmt: skip
            written: list[OutgoingRecord] = []
            for message, number in zip(messages, lines, strict=False):
                value = data if isinstance(data, bytes) else json.dumps(data).encode()
                event = SimulatedRecord(
                    version.events["line.ingested"].topic, 1, number, value, b"7",
                    [("ce_id", b"chunk.planned/0/0/%d" % number), *headers], 5,
                )  # fmt: skip
                death = FailureAccount(message=message, **fields)
                written.append(build_dead_letter(event, death, largest=1_000_000))
            await bury(settings, settings.names.dead_topic("order-lines", "validate"), written)

        asyncio.run(died())

    return die


@pytest.fixture(scope="module")
def installation(
    kafka: Settings, delete_topics: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Settings, Path]]:
    """Settings and a folder where the shipped file is in force, for a module's tests that change
    nothing: `apply` creates 15 topics."""
    settings, folder = private_namespace(kafka), tmp_path_factory.mktemp("unchanged")
    shutil.copy(ROOT / "topology.yaml", folder)
    with pytest.MonkeyPatch.context() as patch:
        unset_settings(patch)
        words = ["-C", str(folder), "apply"]
        applied = CliRunner().invoke(farandole, words, env=environment(settings))
    assert applied.exit_code == 0, applied.output
    yield settings, folder
    delete_topics(settings.names.prefix)


@pytest.fixture
def unchanged(installation: tuple[Settings, Path], unset: None) -> Call:
    """As `applied`, for tests that change neither topics nor the file."""
    settings, folder = installation

    def on_kafka(*arguments: str) -> Result:
        words = ["-C", str(folder), *arguments]
        return CliRunner().invoke(farandole, words, env=environment(settings))

    return on_kafka


def one_line(result: Result, code: int = 1) -> str:
    """The one line of an error."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    (line,) = lines
    return line
