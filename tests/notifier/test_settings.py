"""Are the notifier's settings read from the same file as Kafka's, with clear errors?"""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.broker.settings import Settings as Broker
from farandole.notifier.settings import NotifierSettings

pytestmark = pytest.mark.usefixtures("unset")

SECRET = "hunter2-and-more"


def write(folder: Path, text: str) -> Path:
    (folder / "farandole.toml").write_text(text)
    return folder


def test_nothing_given_means_no_mail_server(tmp_path: Path) -> None:
    assert NotifierSettings.load(tmp_path).smtp_host is None


def test_one_file_serves_kafka_and_the_notifier(tmp_path: Path) -> None:
    write(
        tmp_path,
        'bootstrap = "a:1"\n[notifier]\nsmtp_host = "mail"\nmail_from = "farandole@example.com"',
    )
    assert Broker.load(tmp_path).bootstrap == "a:1"
    assert NotifierSettings.load(tmp_path).smtp_host == "mail"


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARANDOLE_SMTP_HOST", "b")
    write(tmp_path, '[notifier]\nsmtp_host = "a"\nmail_from = "farandole@example.com"')
    assert NotifierSettings.load(tmp_path).smtp_host == "b"


@pytest.mark.parametrize(("security", "port"), [("none", 25), ("starttls", 587), ("tls", 465)])
def test_the_port_is_the_usual_one_of_the_security(security: str, port: int) -> None:
    assert NotifierSettings(smtp_security=security).effective_port == port  # type: ignore[arg-type]


HOST = 'smtp_host = "mail.example.com"\nmail_from = "farandole@example.com"\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('smtp_hots = "a"', "smtp_hots (or smtp_hots under [notifier] in farandole.toml): there is "
         "no such setting; did you mean 'smtp_host'?"),
        ('smtp_host = "a"', "mail_from"),
        ('smtp_host = "a:25"\nsmtp_port = 0', "smtp_port"),
        ('smtp_host = "smtp://a"', "smtp_host"),
        ('mail_from = "Alerts <a@b>"', "mail_from"),
        ('smtp_security = "ssl"', "smtp_security"),
        (HOST + 'smtp_username = "u"', "smtp_password"),
        (HOST + 'smtp_password = "p"', "smtp_username"),
        (HOST + 'smtp_username = "u"\nsmtp_password = "p"\nsmtp_security = "none"', "in clear"),
        ('webhook_secret = "whsec_???"', "webhook_secret"),
        ("smtp_timeout = 0", "smtp_timeout"),
    ],
)  # fmt: skip
def test_a_bad_value_is_one_line_that_names_it(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        NotifierSettings.load(write(tmp_path, f"[notifier]\n{text}"))
    message = str(caught.value)
    assert named in message.replace("FARANDOLE_SMTP_HOTS", "smtp_hots")
    assert "\n" not in message


def test_a_setting_in_the_wrong_table_is_an_error_that_names_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidSettingsError, match=r"smtp_host.*no such setting here.*\[notifier\]"
    ):
        Broker.load(write(tmp_path, 'smtp_host = "a"'))


def test_a_misspelled_table_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingsError, match=r"notifer.*no such setting"):
        Broker.load(write(tmp_path, "[notifer]\nsmtp_port = 25"))


def test_a_value_instead_of_a_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettingsError, match=r"write \[notifier\]"):
        NotifierSettings.load(write(tmp_path, "notifier = 3"))


def test_a_password_may_go_in_clear_only_to_this_machine() -> None:
    NotifierSettings(
        smtp_host="127.0.0.1", mail_from="a@b.c", smtp_username="u",
        smtp_password=SecretStr(SECRET), smtp_security="none",
    )  # fmt: skip


@pytest.mark.parametrize("show", [repr, str, lambda s: s.model_dump_json()])
def test_secrets_are_not_shown(show: object) -> None:
    given = NotifierSettings(
        smtp_username="u", smtp_password=SecretStr(SECRET), webhook_secret=SecretStr(SECRET)
    )
    assert SECRET not in show(given)  # type: ignore[operator]


def test_secrets_are_not_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARANDOLE_SMTP_PASSWORD", SECRET)
    monkeypatch.setenv("FARANDOLE_WEBHOOK_SECRET", f"whsec_{SECRET}!")
    with pytest.raises(InvalidSettingsError) as caught:
        NotifierSettings.load(tmp_path)
    assert SECRET not in str(caught.value)


def test_secrets_are_read_from_their_files(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("whsec_aHVudGVyMg==\n")
    loaded = NotifierSettings.load(
        tmp_path, smtp_username="u", smtp_password_file=file, webhook_secret_file=file
    )
    assert loaded.password() == "whsec_aHVudGVyMg=="
    assert loaded.webhook_key() == b"hunter2"


def test_a_missing_file_is_named_in_the_error(tmp_path: Path) -> None:
    gone = NotifierSettings(
        smtp_ca=tmp_path / "ca", smtp_username="u", smtp_password_file=tmp_path / "password"
    )
    with pytest.raises(InvalidSettingsError, match=r"SMTP_CA: .*ca: No such file"):
        gone.ssl_context()
    with pytest.raises(InvalidSettingsError, match=r"SMTP_PASSWORD_FILE: .*password: No such file"):
        gone.password()


def test_an_invalid_certificate_file_is_named_in_the_error(tmp_path: Path) -> None:
    file = tmp_path / "ca"
    file.write_text("nothing")
    with pytest.raises(InvalidSettingsError, match=r"SMTP_CA: .*ca: no PEM"):
        NotifierSettings(smtp_ca=file).ssl_context()
