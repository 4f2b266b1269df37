"""Which settings of a folder does a pipeline have in a cluster, and which cannot be told there?"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from farandole.broker.settings import ENV_PREFIX, ConfiguredSettings
from farandole.operations.errors import RefusedError, translated_errors
from farandole.operations.setup.show_settings import SETTINGS_MODELS

FILES_FOLDER = "/etc/farandole/files"
"""Where the files of a Secret are in a container."""
OF_EACH_PROCESS = frozenset(
    {
        "client_id", "metrics_host", "metrics_port", "monitor_folder", "monitor_host",
        "monitor_port", "web_host", "web_port",
    }
)  # fmt: skip
"""Settings that say where a process of this machine listens or writes. In a cluster its manifest
says it."""
_SECRET_KEY = re.compile(r"[-._a-zA-Z0-9]+")  # Kubernetes' own


@dataclass(frozen=True, slots=True)
class GivenSettings:
    """The settings of a folder that have not their default, by variable."""

    plain: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Paths of this machine."""
    secret: frozenset[str] = frozenset()
    """The variables whose values are secret; the values are not kept."""


def given_settings(folder: Path, options: Mapping[str, Any]) -> GivenSettings:
    """Return the settings that the environment, `farandole.toml` or `options` give. Raises
    UnavailableError (`settings_invalid`)."""
    plain: dict[str, str] = {}
    files: dict[str, str] = {}
    secret: set[str] = set()
    with translated_errors():
        for model in SETTINGS_MODELS:
            for name, value in _given_values(model, folder, options):
                variable = f"{ENV_PREFIX}{name.upper()}"
                if isinstance(value, SecretStr):
                    secret.add(variable)
                elif isinstance(value, Path):
                    files[variable] = str(value)
                else:
                    plain[variable] = _environment_text(value)
    return GivenSettings(plain, files, frozenset(secret))


def cluster_environment(
    given: GivenSettings, *, secret: str | None, secret_files: str | None
) -> dict[str, str]:
    """Return the variables that every container gets; none of them is a secret.

    `secret` names a Secret whose keys are variables, `secret_files` one whose keys are files.
    Raises RefusedError (`settings_unfit`) if no container could use them.
    """
    bootstrap = given.plain.get(f"{ENV_PREFIX}BOOTSTRAP")
    if bootstrap is None:
        raise _unfit(
            f"{ENV_PREFIX}BOOTSTRAP is not set, and the embedded Kafka of this folder cannot be"
            " reached from a cluster; say `--bootstrap HOST:PORT`",
            f"{ENV_PREFIX}BOOTSTRAP",
        )
    for address in bootstrap.split(","):
        if _is_loopback(address.strip().rpartition(":")[0]):
            raise _unfit(
                f"{ENV_PREFIX}BOOTSTRAP: {address.strip()} is this machine itself, which a pod"
                " takes for its own; say `--bootstrap HOST:PORT` with an address that pods reach",
                f"{ENV_PREFIX}BOOTSTRAP",
            )
    _require_safe_console(given)
    if given.secret and secret is None:
        names = ", ".join(sorted(given.secret))
        raise _unfit(
            f"{names}: the value of a secret is not rendered; put it into a Secret, under the name"
            " of the variable, and say `--secret NAME`",
            *sorted(given.secret),
        )
    return dict(sorted({**given.plain, **_file_paths(given.files, secret_files)}.items()))


def file_key(variable: str, environment: Mapping[str, str]) -> str | None:
    """Return the key of the Secret with files under which a variable's file is; None if the
    variable is not set."""
    path = environment.get(variable)
    return None if path is None else Path(path).name


def _given_values(
    model: type[ConfiguredSettings], folder: Path, options: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    said = {n: v for n, v in options.items() if n in model.model_fields and v is not None}
    loaded, origins = model.load(folder, **said), model.origins(folder)
    for name in model.model_fields:
        if name in OF_EACH_PROCESS or not (name in said or name in origins):
            continue
        value = getattr(loaded, name)
        if value is not None and value != ():
            yield name, value


def _environment_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _require_safe_console(given: GivenSettings) -> None:
    """Refuse what the console refuses where others than its own machine reach it."""
    auth = f"{ENV_PREFIX}WEB_AUTH"
    proxies = f"{ENV_PREFIX}WEB_PROXIES"
    if given.plain.get(auth) == "none":
        raise _unfit(
            f"{auth}=none shows everything to everybody, and a cluster reaches the console; say"
            " `token` or `proxy`",
            auth,
        )
    if given.plain.get(auth) == "proxy" and proxies not in given.plain:
        raise _unfit(
            f"{auth}=proxy believes what a proxy says; name the network of its pods by {proxies},"
            " such as 10.0.0.0/8",
            auth,
        )


def _file_paths(files: Mapping[str, str], secret_files: str | None) -> dict[str, str]:
    """Return where the files are in a container. Raises RefusedError (`settings_unfit`)."""
    if files and secret_files is None:
        which = ", ".join(f"{variable} ({path})" for variable, path in sorted(files.items()))
        raise _unfit(
            f"{which}: no pod has files of this machine; put them into a Secret, each under its"
            " file's name, and say `--secret-files NAME`",
            *sorted(files),
        )
    by_key: dict[str, str] = {}
    for variable, path in sorted(files.items()):
        key = Path(path).name
        if not _SECRET_KEY.fullmatch(key):
            raise _unfit(
                f"{variable}: {key!r} cannot be a key of a Secret; give the file a name of letters,"
                " digits, '-', '_' and '.'",
                variable,
            )
        if by_key.setdefault(key, path) != path:
            raise _unfit(
                f"{variable}: {path} and {by_key[key]} would be the same key {key} of the Secret;"
                " give one of the files another name",
                variable,
            )
    return {variable: f"{FILES_FOLDER}/{Path(path).name}" for variable, path in files.items()}


def _unfit(message: str, *variables: str) -> RefusedError:
    return RefusedError("settings_unfit", message, variables=list(variables))
