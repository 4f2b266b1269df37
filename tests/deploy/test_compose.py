"""Does docker-compose.yml fit the code, where nobody would notice that it does not?"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML
from sqlalchemy import make_url

from farandole.broker.java_runtime import KAFKA_VERSION
from farandole.broker.kafka_node_config import server_properties
from farandole.broker.settings import ENV_PREFIX, Settings
from farandole.cli.__main__ import farandole
from farandole.notifier.settings import NotifierSettings
from farandole.services.companion_services import (
    COMPANION_COMMANDS,
    CompanionCommand,
    companion_service,
)
from farandole.services.invocation import Invocation
from farandole.services.liveness_file import LIVENESS_FILE_VARIABLE
from farandole.services.supervisor import DRAIN_TIMEOUT

ROOT = Path(__file__).parents[2]
OURS = "farandole:local"

# Where the broker listens and keeps its data is the container's own affair.
ITS_OWN = {
    "advertised.listeners",
    "controller.quorum.bootstrap.servers",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.dirs",
}


def grace_seconds(service: str) -> float:
    """How long a container may take from SIGTERM on; Compose's own default is 10 s."""
    return float(ours()[service].get("stop_grace_period", "10s").removesuffix("s"))


def unset(text: str) -> str:
    """What Compose reads where the environment sets none of the variables."""
    while (resolved := re.sub(r"\$\{\w+:-([^${}]*)\}", r"\1", text)) != text:
        text = resolved
    return text


def services() -> dict[str, Any]:
    text = unset((ROOT / "docker-compose.yml").read_text())
    found: dict[str, Any] = YAML(typ="safe").load(text)["services"]
    return found


def ours() -> dict[str, Any]:
    return {name: of for name, of in services().items() if of["image"] == OURS}


def command_lines() -> list[tuple[str, list[str]]]:
    """What each of our services runs, and what its healthcheck asks."""
    found = []
    for name, service in ours().items():
        found.append((name, service["command"]))
        for part in service.get("healthcheck", {}).get("test", []):
            found += [
                (name, shlex.split(said)) for said in re.findall(r"farandole ([\w -]+)", part)
            ]
    return found


def kafka() -> dict[str, str]:
    """What the broker is told, by the names of its own settings."""
    environment = services()["kafka"]["environment"]
    return {
        name.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
        for name, value in environment.items()
        if name.startswith("KAFKA_")
    }


def listeners(told: str) -> dict[str, str]:
    return dict(each.split("://") for each in told.split(","))


def last(instruction: str) -> str:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    return [line.split(maxsplit=1)[1] for line in lines if line.startswith(instruction + " ")][-1]


@pytest.mark.parametrize(("service", "argv"), command_lines())
def test_a_service_runs_a_command_that_there_is(service: str, argv: list[str]) -> None:
    name, *rest = argv
    with click.Context(farandole) as context:
        command = farandole.get_command(context, name)
    assert command is not None, f"{service}: there is no `farandole {name}`"
    command.make_context(name, rest)  # a usage error is the failure


def test_each_variable_of_a_service_is_a_documented_setting() -> None:
    documented = (ROOT / "docs" / "settings.md").read_text()
    for name, service in ours().items():
        for variable in service["environment"]:
            assert f"`{variable}`" in documented, f"{name}: {variable}"


def test_every_setting_reaches_the_services_that_have_it() -> None:
    """A setting that is not handed on is one that silently does nothing."""
    # One has a value here, one a process learns itself, one its supervisor gives it.
    learnt = {"bootstrap", "cluster_id", "client_id"}
    for name, service in ours().items():
        for setting in Settings.model_fields.keys() - learnt:
            variable = f"{ENV_PREFIX}{setting.upper()}"
            assert variable in service["environment"], f"{name}: {variable}"
    told = ours()["notifier"]["environment"]
    assert {f"{ENV_PREFIX}{name.upper()}" for name in NotifierSettings.model_fields} <= told.keys()


def test_every_service_has_a_health_check() -> None:
    for name, service in services().items():
        assert service["healthcheck"]["test"], name


@pytest.mark.parametrize("service", ["kafka", "postgres", "router", "worker"])
def test_a_slow_start_is_no_failure(service: str) -> None:
    assert int(services()[service]["healthcheck"]["start_period"].removesuffix("s")) >= 60


def test_the_health_checks_read_the_file_that_services_touch(tmp_path: Path) -> None:
    (tmp_path / "in-force").touch()  # the router need not ask Kafka
    for name in ("router", "worker", "bookkeeper", "scheduler", "notifier", "monitor"):
        service = ours()[name]
        file = service["environment"][LIVENESS_FILE_VARIABLE]
        (_, told) = service["healthcheck"]["test"]
        check = told.replace("$$", "$").replace("/tmp/", f"{tmp_path}/")
        assert file in told
        assert subprocess.run(["sh", "-c", check], stderr=subprocess.DEVNULL).returncode == 1
        (tmp_path / "alive").touch()
        assert subprocess.run(["sh", "-c", check]).returncode == 0
        old = time.time() - 60
        os.utime(tmp_path / "alive", (old, old))
        assert subprocess.run(["sh", "-c", check]).returncode == 1
        (tmp_path / "alive").unlink()


def test_a_hang_is_seen_within_half_a_minute() -> None:
    for name in ("router", "worker", "bookkeeper", "scheduler", "notifier", "monitor"):
        check = ours()[name]["healthcheck"]
        (stale,) = re.findall(r"(\d+) seconds ago", " ".join(check["test"]))
        assert int(stale) + check["retries"] * int(check["interval"].removesuffix("s")) <= 30, name


def test_the_monitor_can_write_and_be_found() -> None:
    told = ours()["monitor"]["environment"]
    assert told["FARANDOLE_MONITOR_FOLDER"] in ours()["monitor"]["tmpfs"]
    assert told["FARANDOLE_MONITOR_HOST"] == "0.0.0.0"
    asked = ours()["router"]["environment"]["FARANDOLE_MONITOR_URL"]
    assert asked == f"http://monitor:{told['FARANDOLE_MONITOR_PORT']}"


def test_the_page_names_every_service() -> None:
    page = (ROOT / "docs" / "compose.md").read_text()
    for name in services():
        assert f"| `{name}` |" in page, name
    with_own_kafka = next(line for line in page.splitlines() if "--no-deps" in line)
    assert set(services()) - {"kafka"} <= set(with_own_kafka.split())


def test_the_broker_is_of_the_embedded_ones_version() -> None:
    assert services()["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_the_broker_is_told_what_the_embedded_one_is() -> None:
    embedded = server_properties(Path("data"), 9092, 9093)
    wanted = {name: value for name, value in embedded.items() if name not in ITS_OWN}
    told = kafka()
    assert {name: told.get(name) for name in wanted} == wanted


def test_services_and_host_reach_the_broker_where_it_says_that_it_is() -> None:
    bound, said = listeners(kafka()["listeners"]), listeners(kafka()["advertised.listeners"])
    for service in ours().values():
        if "FARANDOLE_BOOTSTRAP" in service["environment"]:
            assert service["environment"]["FARANDOLE_BOOTSTRAP"] == said["INTERNAL"]
    (port,) = services()["kafka"]["ports"]
    address, outside, inside = port.split(":")
    assert address == "127.0.0.1"
    assert said["HOST"] == f"localhost:{outside}"
    assert bound["HOST"] == f":{inside}"
    assert bound["INTERNAL"].lstrip(":") == said["INTERNAL"].partition(":")[2]


def test_load_is_told_the_database_that_postgres_makes() -> None:
    url = make_url(ours()["worker"]["environment"]["ORDER_LINES_DB"])
    made = services()["postgres"]["environment"]
    assert url.host == "postgres"
    assert (url.username, url.password, url.database) == (
        made["POSTGRES_USER"],
        made["POSTGRES_PASSWORD"],
        made["POSTGRES_DB"],
    )


def test_our_services_are_nobody_and_can_write_nothing() -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last("USER"))
    for name, service in ours().items():
        assert "user" not in service, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name


def test_the_database_is_not_run_by_root() -> None:
    assert services()["postgres"]["user"] == "postgres"


def test_the_pipeline_is_mounted_as_a_folder_where_the_image_looks_for_it() -> None:
    for name, service in ours().items():
        for mount in service["volumes"]:
            source, target, *mode = mount.split(":")
            if source.startswith("."):
                assert (ROOT / source).is_dir(), name
                assert (target, mode) == (last("WORKDIR"), ["ro"]), name


def test_the_notifier_writes_to_the_catcher() -> None:
    told, catcher = ours()["notifier"]["environment"], ours()["mail"]["command"]
    assert told["FARANDOLE_SMTP_HOST"] == "mail"
    assert told["FARANDOLE_SMTP_SECURITY"] == "none"
    assert str(told["FARANDOLE_SMTP_PORT"]) == catcher[catcher.index("--port") + 1]


def test_the_catcher_may_write_where_it_keeps_its_mails() -> None:
    command = ours()["mail"]["command"]
    folder = command[command.index("--folder") + 1]
    assert [mount.partition(":")[2] for mount in ours()["mail"]["volumes"]] == [folder]
    assert (
        f"install --directory --owner=farandole --group=farandole {folder}"
        in (ROOT / "Dockerfile").read_text()
    ), "a volume takes its owner from the image's folder"


def test_a_worker_is_given_the_time_to_drain() -> None:
    assert grace_seconds("worker") > DRAIN_TIMEOUT


@pytest.mark.parametrize("command", COMPANION_COMMANDS)
def test_a_service_is_given_the_time_that_a_supervisor_gives_it(
    command: CompanionCommand, tmp_path: Path
) -> None:
    (name,) = (name for name, of in ours().items() if of["command"] == [command])
    supervised = companion_service(Invocation(tmp_path), Settings(), command, level="info")
    assert grace_seconds(name) >= supervised.drain_timeout


def test_each_of_our_packages_is_let_into_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    rooms = [each.name for each in (ROOT / "farandole").iterdir() if each.is_symlink()]
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    assert [package for package in [*packages, *rooms] if f"!{package}/" not in let_in] == []
