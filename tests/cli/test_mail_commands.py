"""Does a person see whether mail gets through, and what was caught?"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Call, one_line, process

TO = "ops@example.com"


@contextmanager
def catcher(folder: Path, *arguments: str) -> Iterator[tuple[dict[str, str], list[str]]]:
    """As a process: the settings that lead to it, and, once it ended, what it printed."""
    printed: list[str] = []
    running = process("-C", str(folder), "mail-catcher", "--port", "0", *arguments, env={})
    try:
        assert running.stderr is not None
        assert "catching mail at 127.0.0.1:" in running.stderr.readline()
        settings = running.stderr.readline().split()
        yield dict(word.split("=") for word in settings if "=" in word), printed
        running.send_signal(signal.SIGTERM)
        printed += running.communicate(timeout=100)[0].splitlines()
        assert running.returncode == 0
    finally:
        running.kill()
        running.wait()


def test_a_test_mail_is_caught_listed_and_told(call: Call, folder: Path) -> None:
    with catcher(folder) as (leading, printed):
        sent = call("test-mail", TO, env=leading)
    assert sent.exit_code == 0, sent.stderr
    assert f"the server has taken the mail to {TO}" in sent.stdout
    assert f"127.0.0.1:{leading['FARANDOLE_SMTP_PORT']}, in clear" in sent.stdout
    assert "250 2.0.0 caught as" in sent.stdout
    (line,) = printed
    assert TO in line
    assert "Farandole can write to you" in line
    listed = json.loads(call("mail-catcher", "--list", "--json").stdout)
    assert [each["to"] for each in listed] == [[TO]]
    assert f"Message-ID  {listed[0]['message_id']}" in sent.stdout
    assert Path(listed[0]["file"]).is_file()
    table = call("mail-catcher", "--list").stdout.splitlines()
    assert table[0].split() == ["received", "to", "subject", "file"]
    assert table[1] == line.rstrip()


def test_each_mail_is_a_line_of_json_on_demand(call: Call, folder: Path) -> None:
    with catcher(folder, "--json") as (leading, printed):
        for _ in range(2):
            assert call("test-mail", TO, env=leading).exit_code == 0
    assert [json.loads(line)["to"] for line in printed] == [[TO], [TO]]


def test_an_empty_folder_says_so(call: Call) -> None:
    assert "no mail was caught" in call("mail-catcher", "--list").stdout
    assert json.loads(call("mail-catcher", "--list", "--json").stdout) == []


def test_a_port_that_is_taken_is_one_line(call: Call, folder: Path) -> None:
    with catcher(folder) as (leading, _):
        second = call("mail-catcher", "--port", leading["FARANDOLE_SMTP_PORT"])
    assert "--port" in one_line(second)


def test_without_a_server_the_settings_are_named(call: Call) -> None:
    text = one_line(call("test-mail", TO))
    for word in ("FARANDOLE_SMTP_HOST", "FARANDOLE_MAIL_FROM", "mail-catcher"):
        assert word in text


def test_what_is_no_address_is_a_usage_error(call: Call) -> None:
    assert "not an address" in one_line(call("test-mail", "Ops <ops@example.com>"), code=2)


def test_a_misspelled_setting_is_one_line(call: Call, folder: Path) -> None:
    (folder / "farandole.toml").write_text('[notifier]\nsmtp_hots = "a"\n')
    assert "did you mean 'smtp_host'?" in one_line(call("test-mail", TO))


@pytest.mark.parametrize(
    ("security", "text"), [("starttls", "offers no STARTTLS"), ("tls", "FARANDOLE_SMTP_SECURITY")]
)
def test_a_failure_is_one_line_that_says_what_to_do(
    call: Call, folder: Path, security: str, text: str
) -> None:
    with catcher(folder) as (leading, printed):
        result = call("test-mail", TO, env={**leading, "FARANDOLE_SMTP_SECURITY": security})
    assert text in one_line(result)
    assert printed == []


@pytest.mark.parametrize("words", [(), ("ops@example.com", "--routes")])
def test_a_test_goes_to_an_address_or_through_routes(call: Call, words: tuple[str, ...]) -> None:
    assert "address" in one_line(call("test-mail", *words), code=2)
