"""Which settings reach a cluster, and which are refused because none of its pods could use them?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from farandole.operations.errors import RefusedError
from farandole.operations.kubernetes.cluster_settings import (
    GivenSettings,
    cluster_environment,
    given_settings,
)
from tests.operations.rendered_manifests import GIVEN, SECURED

TOML = """\
bootstrap = "kafka:9092"
deadline = 5.0
tls = true
tls_ca = "ca.pem"
sasl_mechanism = "PLAIN"
sasl_username = "ann"
sasl_password = "do not tell"

[metrics]
metrics_port = 1234

[web]
web_operators = ["ops", "dev"]
"""


def environment(
    given: GivenSettings, secret: str | None = "s", secret_files: str | None = "f"
) -> dict[str, str]:
    return cluster_environment(given, secret=secret, secret_files=secret_files)


def refused(given: GivenSettings, **secrets: str | None) -> str:
    with pytest.raises(RefusedError) as error:
        environment(given, **secrets)
    assert error.value.code == "settings_unfit"
    assert "\n" not in error.value.message
    return error.value.message


def with_plain(**plain: str) -> GivenSettings:
    said = {f"FARANDOLE_{name}": value for name, value in plain.items()}
    return replace(GIVEN, plain={**GIVEN.plain, **said})


def test_settings_of_the_file_are_read_and_secrets_are_only_named(
    tmp_path: Path, unset: None
) -> None:
    (tmp_path / "farandole.toml").write_text(TOML)
    given = given_settings(tmp_path, {"namespace": "blue"})
    assert given == GivenSettings(
        {
            "FARANDOLE_BOOTSTRAP": "kafka:9092",
            "FARANDOLE_NAMESPACE": "blue",
            "FARANDOLE_TLS": "true",
            "FARANDOLE_SASL_MECHANISM": "PLAIN",
            "FARANDOLE_SASL_USERNAME": "ann",
            "FARANDOLE_DEADLINE": "5",
            "FARANDOLE_WEB_OPERATORS": "ops,dev",
        },
        {"FARANDOLE_TLS_CA": str(tmp_path / "ca.pem")},
        frozenset({"FARANDOLE_SASL_PASSWORD"}),
    )


def test_a_setting_with_its_default_is_left_to_the_image(tmp_path: Path, unset: None) -> None:
    assert given_settings(tmp_path, {"bootstrap": "kafka:9092"}) == GIVEN


def test_a_file_is_where_its_secret_is_mounted() -> None:
    told = environment(SECURED)
    assert told["FARANDOLE_TLS_CA"] == "/etc/farandole/files/kafka-ca.pem"
    assert "/home/ann" not in str(told)


def test_no_secret_is_in_the_environment() -> None:
    assert "FARANDOLE_SASL_PASSWORD" not in environment(SECURED)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:9092", "localhost:9092", "[::1]:9092", "kafka:9092,127.0.0.1:9093"]
)
def test_this_machine_is_no_kafka_of_a_cluster(address: str) -> None:
    assert "a pod takes for its own" in refused(with_plain(BOOTSTRAP=address))


def test_the_embedded_kafka_is_none_either() -> None:
    assert "FARANDOLE_BOOTSTRAP is not set" in refused(GivenSettings())


def test_a_secret_that_is_set_needs_a_secret() -> None:
    message = refused(SECURED, secret=None)
    assert message.startswith("FARANDOLE_SASL_PASSWORD: the value of a secret is not rendered")


def test_a_file_that_is_set_needs_a_secret_with_files() -> None:
    message = refused(SECURED, secret_files=None)
    assert "FARANDOLE_TLS_CA (/home/ann/kafka-ca.pem)" in message


def test_two_files_of_one_name_are_refused() -> None:
    files = {"FARANDOLE_TLS_CA": "/a/ca.pem", "FARANDOLE_SMTP_CA": "/b/ca.pem"}
    assert "would be the same key ca.pem" in refused(replace(GIVEN, files=files))


def test_a_file_for_two_settings_is_one_key() -> None:
    files = {"FARANDOLE_TLS_CA": "/a/ca.pem", "FARANDOLE_SMTP_CA": "/a/ca.pem"}
    told = environment(replace(GIVEN, files=files))
    assert told["FARANDOLE_TLS_CA"] == told["FARANDOLE_SMTP_CA"]


def test_a_file_whose_name_is_no_key_is_refused() -> None:
    files = {"FARANDOLE_TLS_CA": "/a/my ca.pem"}
    assert "cannot be a key of a Secret" in refused(replace(GIVEN, files=files))


def test_a_console_that_shows_everything_to_everybody_is_refused() -> None:
    assert "FARANDOLE_WEB_AUTH=none" in refused(with_plain(WEB_AUTH="none"))


def test_a_console_that_believes_a_proxy_needs_to_know_it() -> None:
    assert "FARANDOLE_WEB_PROXIES" in refused(with_plain(WEB_AUTH="proxy"))
    assert environment(with_plain(WEB_AUTH="proxy", WEB_PROXIES="10.0.0.0/8"))
