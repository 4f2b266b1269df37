"""Are settings read from all of their sources, and are mistakes in them reported?"""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.broker.settings import Settings

pytestmark = pytest.mark.usefixtures("unset")


def write(folder: Path, text: str) -> Path:
    (folder / "farandole.toml").write_text(text)
    return folder


def test_nothing_given_means_the_embedded_broker(tmp_path: Path) -> None:
    assert Settings.load(tmp_path).bootstrap is None


def test_the_file_is_read(tmp_path: Path) -> None:
    assert Settings.load(write(tmp_path, 'bootstrap = "a:1"')).bootstrap == "a:1"


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARANDOLE_BOOTSTRAP", "b:2")
    assert Settings.load(write(tmp_path, 'bootstrap = "a:1"')).bootstrap == "b:2"


def test_an_argument_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARANDOLE_BOOTSTRAP", "b:2")
    assert Settings.load(tmp_path, bootstrap="c:3").bootstrap == "c:3"


def test_an_argument_that_is_none_gives_nothing(tmp_path: Path) -> None:
    loaded = Settings.load(write(tmp_path, 'bootstrap = "a:1"'), bootstrap=None)
    assert loaded.bootstrap == "a:1"


def test_a_pipeline_does_not_read_the_file_of_another(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    Settings.load(write(tmp_path / "one", 'namespace = "one"'))
    assert Settings.load(tmp_path / "two").namespace == ""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("session_timeout = 'soon'", "session_timeout"),
        ("deadline = 20", "deadline"),
        ("heartbeat_interval = 60", "heartbeat_interval"),
        ('bootstrap = "nowhere"', "bootstrap"),
        ('bootstrap = "a:70000"', "bootstrap"),
        ('namespace = "Not Good"', "namespace"),
        ('sasl_mechanism = "KERBEROS"', "sasl_mechanism"),
        ('sasl_mechanism = "PLAIN"', "sasl_username"),
        ('tls = true\ntls_cert = "c.pem"', "tls_cert"),
        ("bootstrapp = 'a:1'", "bootstrapp"),
        ("bootstrap = ", "farandole.toml"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        Settings.load(write(tmp_path, text))
    text = str(caught.value)
    assert named in text.lower()
    assert "\n" not in text


SECRET = "hunter2-and-more"


@pytest.mark.parametrize("show", [repr, str, lambda s: s.model_dump_json()])
def test_the_password_is_not_shown(show: object) -> None:
    shown = show(  # type: ignore[operator]
        Settings(sasl_mechanism="PLAIN", sasl_username="u", sasl_password=SecretStr(SECRET))
    )
    assert SECRET not in shown


def test_the_password_is_not_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mechanism is the mistake; the password beside it must not come along."""
    monkeypatch.setenv("FARANDOLE_SASL_PASSWORD", SECRET)
    with pytest.raises(InvalidSettingsError) as caught:
        Settings.load(write(tmp_path, 'sasl_mechanism = "KERBEROS"'))
    assert SECRET not in str(caught.value)


def test_a_password_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    loaded = Settings.load(
        tmp_path, sasl_mechanism="PLAIN", sasl_username="u", sasl_password_file=file
    )
    assert loaded.password() == SECRET


def test_a_relative_path_in_the_file_begins_at_its_folder(tmp_path: Path) -> None:
    written = 'tls_ca = "ca.pem"\ntls_key = "/etc/key.pem"\ntls_cert = "/etc/cert.pem"'
    loaded = Settings.load(write(tmp_path, written))
    assert (loaded.tls_ca, loaded.tls_key) == (tmp_path / "ca.pem", Path("/etc/key.pem"))
