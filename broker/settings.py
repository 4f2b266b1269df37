"""Which Kafka does Farandole connect to, as which user, and with which time-outs?"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.events.kafka_names import KafkaNames

SETTINGS_FILE = "farandole.toml"
ENV_PREFIX = "FARANDOLE_"
ROOM_TABLES = frozenset({"metrics", "monitor", "notifier", "web"})
"""Tables of the file with the settings of other rooms."""


class _SettingsFileSource(TomlConfigSettingsSource):
    """Reads the top level of the file that the model's configuration names, or one table of it."""

    def __init__(self, settings_cls: type[BaseSettings], table: str | None) -> None:
        super().__init__(settings_cls)
        if table is None:
            self.init_kwargs = {n: v for n, v in self.toml_data.items() if n not in ROOM_TABLES}
        else:
            self.init_kwargs = self.toml_data.get(table, {})
        if not isinstance(self.init_kwargs, dict):
            raise ValueError(f"{table} is no table; write [{table}] above its settings")
        file = settings_cls.model_config.get("toml_file")
        if isinstance(file, Path):
            self.init_kwargs = {
                name: file.parent / value if _is_path(settings_cls, name, value) else value
                for name, value in self.init_kwargs.items()
            }


def _is_path(model: type[BaseSettings], name: str, value: object) -> bool:
    """Return True if a value of the file is a path: a relative one begins at the file's folder."""
    field = model.model_fields.get(name)
    return field is not None and Path in get_args(field.annotation) and isinstance(value, str)


class ConfiguredSettings(BaseSettings):
    """Settings from the environment (`FARANDOLE_…`), else from `farandole.toml` in the pipeline's
    folder. Every float is a time in seconds. It is a base class because pydantic-settings asks the
    class for its sources."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True)
    table: ClassVar[str | None] = None
    """The table of the file that has them; None for the top level."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SettingsFileSource(settings_cls, cls.table)

    @classmethod
    def origins(cls, folder: Path) -> dict[str, Literal["environment", "file"]]:
        """Return where each setting is given that has not its default. Raises what `load`
        raises."""
        model = cls._of_folder(folder)
        given: dict[str, Literal["environment", "file"]] = {}
        given.update(dict.fromkeys(_SettingsFileSource(model, cls.table)(), "file"))
        given.update(dict.fromkeys(EnvSettingsSource(model)(), "environment"))
        return given

    @classmethod
    def _of_folder(cls, folder: Path) -> type[Self]:
        """Return the class that reads the file of a folder: pydantic-settings names files by
        class."""

        class _FolderSettings(cls):  # type: ignore[misc, valid-type]
            model_config = SettingsConfigDict(toml_file=folder / SETTINGS_FILE)

        return _FolderSettings

    @classmethod
    def load(cls, folder: Path, **overrides: Any) -> Self:
        """Return the settings of a pipeline's folder. Raises InvalidSettingsError."""
        file = folder / SETTINGS_FILE
        try:
            return cls._of_folder(folder)(
                **{name: value for name, value in overrides.items() if value is not None}
            )
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            reason = first["msg"].removeprefix("Value error, ")
            if first["type"] == "extra_forbidden":
                reason = _unknown_setting_text(where, cls.model_fields, cls.table)
            under = f"under [{cls.table}] " if cls.table else ""
            place = (
                f"{ENV_PREFIX}{where.upper()} (or {where} {under}in {SETTINGS_FILE}): "
                if where
                else ""
            )
            raise InvalidSettingsError(f"{place}{reason}") from None
        except (ValueError, OSError) as error:
            raise InvalidSettingsError(f"{file}: {error}") from None


def _unknown_setting_text(name: str, known: Mapping[str, Any], table: str | None) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    if near:
        return f"there is no such setting; did you mean {near[0]!r}?"
    if table:
        return f"there is no such setting under [{table}]; there are {', '.join(known)}"
    tables = ", ".join(f"[{other}]" for other in sorted(ROOM_TABLES))
    return f"there is no such setting here; there are {', '.join(known)}, and the table {tables}"


class Settings(ConfiguredSettings):
    """The settings of every program that uses Kafka. Times are in seconds."""

    bootstrap: str | None = None
    """`host:port[,host:port…]`; None for the embedded broker."""
    cluster_id: str | None = None
    """The only cluster that is spoken to, whatever answers at the address; None for any. It is
    known of the embedded broker."""
    client_id: str | None = None
    """How Kafka's tools name this process; None for a name of the client library."""
    namespace: str = ""
    tls: bool = False
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    sasl_password_file: Path | None = None
    session_timeout: float = Field(default=6.0, gt=0)
    """How long a member of a group may send no heartbeat before its partitions go to another."""
    heartbeat_interval: float = Field(default=0.5, gt=0)
    transaction_timeout: float = Field(default=10.0, gt=0)
    deadline: float = Field(default=8.0, gt=0)
    """The longest time for one call to Kafka; after it the outcome of the call is unknown."""
    replication_factor: int | None = None
    """The replication factor of new topics; None for 1 with the embedded broker, and otherwise for
    the default of the cluster."""

    @field_validator("namespace")
    @classmethod
    def _named(cls, namespace: str) -> str:
        KafkaNames(namespace)
        return namespace

    @field_validator("bootstrap")
    @classmethod
    def _addressed(cls, bootstrap: str | None) -> str | None:
        for address in (bootstrap or "").split(",") if bootstrap else ():
            host, colon, port = address.strip().rpartition(":")
            if not (host and colon and port.isdigit() and 0 < int(port) < 65536):
                raise ValueError(f"{address!r} is not host:port")
        return bootstrap

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.deadline >= self.transaction_timeout:
            raise ValueError(
                f"deadline ({self.deadline:g} s) must be below transaction_timeout "
                f"({self.transaction_timeout:g} s)"
            )
        if self.heartbeat_interval * 2 > self.session_timeout:
            raise ValueError("heartbeat_interval must be at most half of session_timeout")
        if self.sasl_mechanism and not self.sasl_username:
            raise ValueError("sasl_mechanism needs sasl_username")
        if self.sasl_mechanism and not (self.sasl_password or self.sasl_password_file):
            raise ValueError("sasl_mechanism needs sasl_password or sasl_password_file")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together")
        return self

    @property
    def names(self) -> KafkaNames:
        return KafkaNames(self.namespace)

    @property
    def command_options(self) -> str:
        """Return the options of `farandole` that lead to the same installation, with a space before
        them; empty if none are needed."""
        return f" --namespace {self.namespace}" if self.namespace else ""

    def password(self) -> str | None:
        """Return the SASL password in clear; None if there is none. Raises InvalidSettingsError if
        its file cannot be read."""
        return reveal_secret(self.sasl_password, self.sasl_password_file, "sasl_password_file")


def reveal_secret(secret: SecretStr | None, file: Path | None, setting: str) -> str | None:
    """Return a secret in clear, given directly or in a file; None if there is neither. Raises
    InvalidSettingsError if the file, which `setting` names, cannot be read."""
    if secret is not None:
        return secret.get_secret_value()
    if file is None:
        return None
    try:
        return file.read_text().strip()
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise InvalidSettingsError(f"{ENV_PREFIX}{setting.upper()}: {file}: {why}") from None
