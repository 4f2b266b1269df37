"""Is the result of a mail reported exactly, for every behaviour of the server?"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from farandole.notifier.delivery_outcome import DeliveryOutcome
from farandole.notifier.settings import NotifierSettings
from farandole.notifier.smtp_delivery import deliver_mail
from tests.notifier.made import SENDER
from tests.notifier.servers import DROP, HANG, PASSWORD, USER, Server, serving

MAIL = b"Subject: x\r\n\r\n.a line that begins with a dot\r\n"
A, B, C = "a@example.com", "b@example.com", "c@example.com"
PATIENT = 20.0
HASTY = 0.3  # for what hangs: nothing is waited for but this

pytestmark = pytest.mark.usefixtures("unset")


def configured(port: int, **given: Any) -> NotifierSettings:
    values = {"smtp_security": "none", "smtp_timeout": PATIENT, **given}
    return NotifierSettings(smtp_host="localhost", smtp_port=port, mail_from=SENDER, **values)


async def hand(server: Server, *recipients: str, **given: Any) -> DeliveryOutcome:
    return await deliver_mail(configured(server.port, **given), MAIL, SENDER, recipients or (A,))


def why(outcome: DeliveryOutcome, recipient: str = A) -> str:
    reason = {**outcome.refused, **outcome.deferred}[recipient]
    assert reason == " ".join(reason.split())
    return reason


async def test_a_mail_arrives_unchanged() -> None:
    async with serving() as server:
        outcome = await hand(server, A, B)
    assert outcome.delivered == (A, B)
    assert (outcome.refused, outcome.deferred) == ({}, {})
    assert outcome.answer == "250 2.0.0 queued as 4711"
    assert server.got == [((A, B), MAIL)]


async def test_a_mail_that_is_no_longer_ours_is_not_sent() -> None:
    async def never() -> bool:
        return False

    async with serving() as server:
        outcome = await deliver_mail(configured(server.port), MAIL, SENDER, (A,), never)
    assert server.verbs[-1] == "RCPT"
    assert server.got == []
    assert "no longer ours" in outcome.deferred[A]


async def test_without_a_configured_server_every_mail_is_deferred() -> None:
    outcome = await deliver_mail(NotifierSettings(), MAIL, SENDER, (A,))
    assert "FARANDOLE_SMTP_HOST" in outcome.deferred[A]


async def test_a_refused_connection_is_deferred() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        outcome = await deliver_mail(configured(taken.getsockname()[1]), MAIL, SENDER, (A,))
    assert "cannot be reached" in outcome.deferred[A]
    assert "FARANDOLE_SMTP_PORT" in outcome.deferred[A]


async def test_an_unknown_host_name_is_deferred() -> None:
    settings = NotifierSettings(
        smtp_host="nowhere.invalid", smtp_port=25, smtp_security="none", mail_from=SENDER
    )
    assert A in (await deliver_mail(settings, MAIL, SENDER, (A,))).deferred


SESSION = ["CONNECT", "EHLO"]


@pytest.mark.parametrize("verb", SESSION)
@pytest.mark.parametrize("answer", ["421 4.3.2 full", "554 5.7.1 go away"])
async def test_a_server_that_rejects_the_session_is_deferred(verb: str, answer: str) -> None:
    async with serving({verb: answer, "HELO": answer}) as server:
        outcome = await hand(server)
    step = verb.replace("CONNECT", "connecting")
    assert why(outcome) == f"localhost:{server.port}: {step}: {answer}"
    assert set(outcome.deferred) == {A}


async def test_an_old_server_is_greeted_with_helo() -> None:
    async with serving({"EHLO": "502 what?"}) as server:
        assert (await hand(server)).delivered == (A,)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "BODY"])
async def test_a_5xx_answer_to_a_mail_is_refused(verb: str) -> None:
    async with serving({verb: "550 5.7.1 no such thing"}) as server:
        outcome = await hand(server, A, B)
    assert set(outcome.refused) == {A, B}
    step = verb.replace("BODY", "DATA")
    assert why(outcome) == f"localhost:{server.port}: {step}: 550 5.7.1 no such thing"


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "BODY"])
async def test_a_4xx_answer_to_a_mail_is_deferred(verb: str) -> None:
    async with serving({verb: "451 4.7.1 later"}) as server:
        outcome = await hand(server, A, B)
    assert set(outcome.deferred) == {A, B}
    assert "451 4.7.1 later" in why(outcome)
    assert "may have arrived" not in why(outcome)


async def test_a_greylisting_server_accepts_the_second_attempt() -> None:
    async with serving({"RCPT": ["451 4.7.1 greylisted", None]}) as server:
        assert set((await hand(server)).deferred) == {A}
        assert (await hand(server)).delivered == (A,)


async def test_each_recipient_has_a_separate_result() -> None:
    faults = {f"RCPT {A}": "550 unknown", f"RCPT {B}": "452 full"}
    async with serving(faults) as server:
        outcome = await hand(server, A, B, C)
    assert (set(outcome.refused), set(outcome.deferred), outcome.delivered) == ({A}, {B}, (C,))
    assert server.got == [((C,), MAIL)]


async def test_a_connection_lost_between_recipients_defers_all_of_them() -> None:
    async with serving({f"RCPT {B}": "421 bye"}) as server:
        outcome = await hand(server, A, B)
    assert set(outcome.deferred) == {A, B}
    assert "421 bye" in why(outcome)
    assert "may have arrived" not in why(outcome)


async def test_an_invalid_address_does_not_affect_other_recipients() -> None:
    async with serving() as server:
        outcome = await hand(server, "ü@example.com", "a b", f"{A}\r\nRCPT TO:<x@y>", B)
    assert outcome.delivered == (B,)
    assert len(outcome.refused) == 3
    assert server.verbs.count("RCPT") == 1


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "RCPT"])
@pytest.mark.parametrize("fault", [DROP, HANG])
async def test_no_answer_before_the_mail_is_deferred(verb: str, fault: str) -> None:
    async with serving({verb: fault}) as server:
        outcome = await hand(server, A, B, smtp_timeout=HASTY if fault == HANG else PATIENT)
    assert set(outcome.deferred) == {A, B}
    assert "may have arrived" not in why(outcome)
    assert ("no answer within" if fault == HANG else "closed the connection") in why(outcome)
    assert verb.replace("CONNECT", "connecting") in why(outcome)


@pytest.mark.parametrize("fault", [DROP, HANG])
async def test_no_answer_after_the_mail_is_deferred_and_may_have_arrived(
    fault: str,
) -> None:
    async with serving({"BODY": fault, f"RCPT {B}": "450 later"}) as server:
        outcome = await hand(server, A, B, smtp_timeout=HASTY if fault == HANG else PATIENT)
    assert "may have arrived" in outcome.deferred[A]
    assert "may have arrived" not in outcome.deferred[B]


async def test_an_accepted_mail_is_delivered_although_quit_has_no_answer() -> None:
    async with serving({"QUIT": DROP}) as server:
        assert (await hand(server)).delivered == (A,)


async def test_slow_steps_do_not_exceed_the_deadline_of_the_attempt() -> None:
    """Each step ends within its own deadline, but all of them together do not."""

    class Slow(Server):
        async def fault(self, verb: str, protocol: Any) -> str | None:
            await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.12)
            return None

    async with serving() as server:
        server.__class__ = Slow
        outcome = await hand(server, *(f"u{n}@example.com" for n in range(20)), smtp_timeout=0.6)
    assert len(outcome.deferred) == 20
    assert "no answer within 0.6 s" in next(iter(outcome.deferred.values()))
    assert server.got == []


async def test_a_server_that_does_not_speak_smtp_is_deferred() -> None:
    async with serving({"CONNECT": "HTTP/1.1 400 Bad Request"}) as server:
        outcome = await hand(server)
    assert "HTTP/1.1 400" in outcome.deferred[A]
    assert "-1" not in outcome.deferred[A]


async def test_an_answer_is_escaped_and_cut() -> None:
    answer = "550 \x1b[31mred\u202e" + "x" * 6000
    async with serving({"MAIL": answer}, enable_SMTPUTF8=True) as server:
        reason = why(await hand(server))
    assert "\\x1b[31mred\\u202e" in reason
    assert len(reason) < 500


class Authority:
    """A certificate authority, and the certificates that it signs."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.pem = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.pem))

    def vouch(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(name).configure_cert(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_starttls_is_used_and_reported(authority: Authority) -> None:
    async with serving(starttls=authority.vouch("localhost"), require_starttls=True) as server:
        outcome = await hand(server, smtp_security="starttls", smtp_ca=authority.pem)
    assert outcome.delivered == (A,)
    assert outcome.route_text == f"localhost:{server.port}, TLSv1.3"


async def test_tls_is_used_and_reported(authority: Authority) -> None:
    async with serving(tls=authority.vouch("localhost")) as server:
        outcome = await hand(server, smtp_security="tls", smtp_ca=authority.pem)
    assert outcome.delivered == (A,)
    assert "TLSv1.3" in outcome.route_text


async def test_nothing_is_sent_in_clear_if_starttls_is_required() -> None:
    async with serving() as server:
        outcome = await hand(
            server, smtp_security="starttls", smtp_username=USER, smtp_password=PASSWORD
        )
    assert "offers no STARTTLS" in outcome.deferred[A]
    assert not {"AUTH", "MAIL", "DATA"} & set(server.verbs)


async def test_a_server_that_rejects_starttls_gets_no_mail(authority: Authority) -> None:
    faults = {"STARTTLS": "454 4.7.0 not now"}
    async with serving(faults, starttls=authority.vouch("localhost")) as server:
        outcome = await hand(server, smtp_security="starttls", smtp_ca=authority.pem)
    assert "454 4.7.0 not now" in outcome.deferred[A]
    assert "MAIL" not in server.verbs


@pytest.mark.parametrize("fault", [DROP, HANG])
async def test_no_answer_to_starttls_is_deferred(authority: Authority, fault: str) -> None:
    async with serving({"STARTTLS": fault}, starttls=authority.vouch("localhost")) as server:
        outcome = await hand(
            server, smtp_security="starttls", smtp_ca=authority.pem,
            smtp_timeout=HASTY if fault == HANG else PATIENT,
        )  # fmt: skip
    assert "STARTTLS" in outcome.deferred[A]
    assert "MAIL" not in server.verbs


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(("name", "trusted"), [("localhost", False), ("other.example.com", True)])
async def test_a_wrong_certificate_is_deferred(
    authority: Authority, security: str, name: str, trusted: bool
) -> None:
    context = authority.vouch(name)
    given: dict[str, Any] = {"smtp_ca": authority.pem} if trusted else {}
    async with serving(**{security: context}) as server:  # type: ignore[arg-type]
        outcome = await hand(server, smtp_security=security, **given)
    assert "certificate is not believed" in outcome.deferred[A]
    assert "FARANDOLE_SMTP_CA" in outcome.deferred[A]
    assert "MAIL" not in server.verbs


async def test_tls_to_a_server_without_it_names_the_setting() -> None:
    async with serving() as server:
        outcome = await hand(server, smtp_security="tls")
    assert "FARANDOLE_SMTP_SECURITY" in outcome.deferred[A]


async def test_no_tls_to_a_server_that_requires_it_names_the_setting(authority: Authority) -> None:
    """Such a server waits for the client to begin, and the client waits for the greeting."""
    async with serving(tls=authority.vouch("localhost")) as server:
        outcome = await hand(server, smtp_security="starttls", smtp_timeout=HASTY)
    assert "is FARANDOLE_SMTP_SECURITY tls meant" in outcome.deferred[A]


async def test_an_authority_that_cannot_be_read_is_deferred(tmp_path: Path) -> None:
    async with serving() as server:
        outcome = await hand(server, smtp_security="tls", smtp_ca=tmp_path / "gone.pem")
    assert "gone.pem" in outcome.deferred[A]


async def sign_in(
    server: Server, authority: Authority, password: str = PASSWORD
) -> DeliveryOutcome:
    return await hand(
        server, smtp_security="starttls", smtp_ca=authority.pem,
        smtp_username=USER, smtp_password=password,
    )  # fmt: skip


async def test_the_configured_user_is_signed_in(authority: Authority) -> None:
    async with serving(starttls=authority.vouch("localhost"), auth_required=True) as server:
        outcome = await sign_in(server, authority)
    assert outcome.delivered == (A,)
    assert outcome.route_text.endswith(f"signed in as {USER}")


async def test_a_wrong_password_is_deferred_and_not_shown(authority: Authority) -> None:
    async with serving(starttls=authority.vouch("localhost"), auth_required=True) as server:
        outcome = await sign_in(server, authority, "a-wrong-one")
    assert "535" in outcome.deferred[A]
    assert "FARANDOLE_SMTP_PASSWORD" in outcome.deferred[A]
    assert "a-wrong-one" not in str(outcome)


def _plain(password: str) -> str:
    return base64.b64encode(f"\0{USER}\0{password}".encode()).decode()


@pytest.mark.parametrize("repeated", [str, _plain], ids=["clear", "encoded"])
async def test_a_password_that_the_server_repeats_is_not_shown(
    authority: Authority, repeated: Callable[[str], str]
) -> None:
    faults = {"AUTH": f"501 cannot make sense of {repeated(PASSWORD)}"}
    async with serving(faults, starttls=authority.vouch("localhost")) as server:
        outcome = await sign_in(server, authority)
    assert "501 cannot make sense of …" in outcome.deferred[A]


async def test_a_server_without_auth_is_deferred_if_a_user_is_configured() -> None:
    async with serving() as server:  # aiosmtpd offers AUTH only over TLS
        outcome = await hand(server, smtp_username=USER, smtp_password=PASSWORD)
    assert "AUTH" in outcome.deferred[A]


@pytest.mark.parametrize("fault", [DROP, HANG])
async def test_no_answer_to_auth_is_deferred(authority: Authority, fault: str) -> None:
    async with serving({"AUTH": fault}, starttls=authority.vouch("localhost")) as server:
        outcome = await hand(
            server, smtp_security="starttls", smtp_ca=authority.pem, smtp_username=USER,
            smtp_password=PASSWORD, smtp_timeout=HASTY if fault == HANG else PATIENT,
        )  # fmt: skip
    assert "AUTH" in outcome.deferred[A]
