"""Does what docs/own-kafka.md says lead to a pipeline on a Kafka with TLS, SCRAM and ACLs?"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.protocol.admin import CreateAclsRequest

from farandole.broker.java_runtime import prepare_java_runtime
from farandole.broker.kafka_clients import make_admin_client, open_client
from farandole.broker.settings import Settings
from farandole.operations.setup.new_pipeline import NewPipelineRequest, create_pipeline
from tests.broker.conftest import guarded_kafka
from tests.cli.conftest import process, until

pytestmark = [pytest.mark.soak, pytest.mark.kafka]

PAGE = Path(__file__).parents[2] / "docs" / "own-kafka.md"
PASSWORD = "correct-horse"
KINDS = {"topic": 2, "group": 3, "transactional-id": 5}
OPERATIONS = {
    "Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10, "AlterConfigs": 11,
}  # fmt: skip
PREFIXED, ALLOW = 4, 3


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Settings]:
    """How the administrator reaches a cluster of somebody else's, with TLS and SCRAM."""
    with guarded_kafka(tmp_path / "cluster", mechanisms="PLAIN,SCRAM-SHA-512") as administrator:
        yield administrator


@pytest.fixture
def folder(tmp_path: Path, cluster: Settings) -> Path:
    """A new pipeline with the page's `.env`, for this cluster."""
    made = tmp_path / "shop"
    create_pipeline(NewPipelineRequest(made, "feed"))
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    (env,) = re.findall(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for theirs, ours in (
        ("kafka-1:9093,kafka-2:9093", cluster.bootstrap or ""),
        ("/etc/ssl/kafka-ca.pem", str(cluster.tls_ca)),
        ("/run/secrets/kafka", str(tmp_path / "password")),
    ):
        assert theirs in env
        env = env.replace(theirs, ours)
    (made / ".env").write_text(env)
    return made


def add_user(folder: Path, administrator: Settings) -> None:
    """Call what `kafka-configs.sh` calls, with the page's arguments."""
    (line,) = re.findall(r"--alter (--entity-type users .*)", PAGE.read_text())
    arguments = line.replace("…", PASSWORD).replace("'", "").split()
    properties = folder.parent / "admin.properties"
    properties.write_text(
        "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nssl.truststore.type=PEM\n"
        f"ssl.truststore.location={administrator.tls_ca}\n"
        "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'username="{administrator.sasl_username}" password="{administrator.password()}";\n'
    )
    java = asyncio.run(prepare_java_runtime(lambda _: None))
    command = java.command(
        main="kafka.admin.ConfigCommand",
        arguments=["--bootstrap-server", administrator.bootstrap or "", "--command-config",
                   str(properties), "--alter", *arguments],
    )  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=240)


def allow(administrator: Settings) -> None:
    """Add the page's rules."""
    text = PAGE.read_text().replace("\\\n", "")
    rules = re.findall(r"^\$ACL --([a-z-]+) (\S+) (--operation .*)$", text, re.MULTILINE)
    assert len(rules) == 3

    async def add() -> None:
        async with open_client(make_admin_client(administrator), administrator) as client:
            for kind, name, operations in rules:
                for operation in operations.replace("--operation", "").split():
                    acl = (KINDS[kind], name, PREFIXED, "User:farandole", "*")
                    request = CreateAclsRequest(*acl, OPERATIONS[operation], ALLOW)
                    await client._send_request(request)

    asyncio.run(add())


def farandole(folder: Path, *arguments: str) -> tuple[int, str]:
    running = process("-C", str(folder), *arguments, env={})
    out, err = running.communicate(timeout=240)
    return running.returncode, out + err


def stored(folder: Path) -> int:
    try:
        with sqlite3.connect(f"file:{folder / 'readings.db'}?mode=ro", uri=True) as connection:
            (count,) = connection.execute("select count(*) from readings").fetchone()
            return int(count)
    except sqlite3.OperationalError:  # not there yet
        return 0


def test_a_pipeline_works_there(folder: Path, cluster: Settings) -> None:
    code, said = farandole(folder, "doctor")
    assert (code, "wrong user name or password" in said) == (1, True), said
    add_user(folder, cluster)
    code, said = farandole(folder, "doctor")
    assert (code, "Kafka denies us" in said) == (1, True), said
    allow(cluster)
    code, said = farandole(folder, "doctor")
    assert (code, "ok       rights" in said) == (0, True), said
    code, said = farandole(folder, "config")
    assert code == 0
    assert PASSWORD not in said

    log = folder / "up.log"
    with log.open("w") as out:
        up = process("-C", str(folder), "up", env={}, stdout=out.fileno(), stderr=out.fileno())
    try:
        until(lambda: "is in force" in log.read_text() or up.poll(), 240, "a version in force")
        assert up.poll() is None, log.read_text()
        code, said = farandole(
            folder, "trigger", "file.arrived", "--data", f"@{folder}/trigger.json"
        )
        assert code == 0, said
        until(lambda: stored(folder) == 3 or up.poll(), 240, "three readings are stored")
        assert stored(folder) == 3
    finally:
        up.terminate()
        up.communicate(timeout=240)
    assert up.returncode == 0
    assert not (folder / ".farandole" / "kafka").exists()
