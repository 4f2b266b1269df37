"""Can mail and requests be sent to every address that the linter takes?"""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.router.alert_lint import (
    MAX_MAILBOX_LENGTH,
    WEBHOOK_PATTERN,
    mailbox_problem,
    webhook_problem,
)

_ANY = st.text() | st.text(alphabet="ab.@-, <>\"'\n\r\x00é:/[]")


@given(_ANY | st.emails())
def test_a_mailbox_that_is_taken_stands_in_a_header_as_it_is(address: str) -> None:
    if mailbox_problem(address) is not None:
        return
    assert len(address) <= MAX_MAILBOX_LENGTH
    mail = EmailMessage(policy=SMTP.clone(max_line_length=0))
    mail["To"] = [Address(addr_spec=address)]
    assert mail.as_bytes().splitlines()[0] == f"To: {address}".encode()


@given(_ANY.map(lambda rest: f"https://{rest}") | st.from_regex(WEBHOOK_PATTERN, fullmatch=True))
def test_a_webhook_that_is_taken_has_a_host_and_no_user(url: str) -> None:
    if webhook_problem(url) is not None:
        return
    parts = urlsplit(url)
    assert parts.scheme in ("http", "https")
    assert parts.hostname
    assert (parts.username, parts.password) == (None, None)
    assert parts.port is None or 0 < parts.port < 65536


@pytest.mark.parametrize(
    "address",
    [
        "ops@example.com",
        "o'brien+pager@mail.example.co.uk",
        "a@localhost",
        "1@2",
        "A.B@C-D.example",
    ],
)
def test_usual_mailboxes_are_taken(address: str) -> None:
    assert mailbox_problem(address) is None


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8025", "https://[::1]:8080/a?b=c", "https://hooks.example.com/T0/B0/x-y_z~"],
)
def test_usual_webhooks_are_taken(url: str) -> None:
    assert webhook_problem(url) is None
