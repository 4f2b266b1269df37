"""Which commands does a notice suggest?"""

from __future__ import annotations

from email import message_from_string
from email.message import Message

from farandole.events.incident_record import NoticeKind
from farandole.events.topology_version import AlertPolicy, AlertRoute
from farandole.notifier.incident_lifecycle import OTHERS_FINGERPRINT, NoticeIntent
from farandole.notifier.notice_composer import compose_notice
from farandole.notifier.suggested_commands import suggested_commands
from tests.notifier.made import incident

ALERTS = AlertPolicy(routes=(AlertRoute(email=("ops@example.com",)),))


def texts(**fields: object) -> list[str]:
    values = {"resolved": None, "firing": None} | fields
    return [
        text
        for _, text in suggested_commands(incident(**values), "localhost:9092", " --namespace n")
    ]


def test_commands_for_failures_show_the_dead_letters_and_replay_them() -> None:
    assert texts() == [
        "farandole --namespace n incidents b2x7k4qdm5c3a",
        "farandole --namespace n dead show validate/1220",
        "kcat -C -b localhost:9092 -t order-lines.validate.dead -o 1220 -c 1 -f '%h\\n%s\\n'",
        "farandole --namespace n dead --stage validate --fingerprint x3kq7m2pab",
        "farandole --namespace n dead replay --stage validate --fingerprint x3kq7m2pab",
        "farandole --namespace n ack b2x7k4qdm5c3a",
        "farandole --namespace n mute b2x7k4qdm5c3a --for 2h",
    ]


def test_commands_for_the_incident_of_other_failures_name_only_the_stage() -> None:
    commands = texts(fingerprint=OTHERS_FINGERPRINT)
    assert "farandole --namespace n dead --stage validate" in commands
    assert "farandole --namespace n dead replay --stage validate" in commands


def test_without_a_sample_no_command_names_a_dead_letter() -> None:
    assert not any("dead show" in text or "kcat" in text for text in texts(samples=()))


def test_commands_for_an_alert_of_a_schedule_show_what_became_of_its_times() -> None:
    commands = texts(stage="", firing=1, error="schedule.overdue", schedule="nightly")
    assert "farandole --namespace n schedules show nightly --history" in commands


def test_names_are_quoted_for_the_shell() -> None:
    commands = texts(stage="a; rm b", fingerprint="$(c)")
    assert "farandole --namespace n dead --stage 'a; rm b' --fingerprint '$(c)'" in commands


def test_the_notice_of_a_resolution_suggests_no_acknowledgement() -> None:
    quiet = incident(resolved=None, firing=None)
    cases: tuple[tuple[NoticeKind, bool], ...] = (("growing", True), ("resolved", False))
    for kind, asked in cases:
        notice = compose_notice(
            NoticeIntent(quiet, kind, quiet.last),
            ALERTS,
            sender="f@localhost",
            bootstrap="localhost:9092",
        )
        assert notice is not None
        assert (f" ack {quiet.id}" in notice.mail) == asked


def test_a_notice_links_to_the_console_where_it_is_known() -> None:
    failed = incident(run="k7mq2vtd4x3aa")
    for console in (None, "https://ops.example/x/"):
        notice = compose_notice(
            NoticeIntent(failed, "opened", failed.last),
            ALERTS,
            sender="f@localhost",
            bootstrap="",
            console=console,
        )
        assert notice is not None
        text = message_from_string(notice.mail).get_payload(0)
        assert isinstance(text, Message)
        mail = text.get_payload(decode=True)
        assert isinstance(mail, bytes)
        for link in (f"incidents?id={failed.id}", "runs/k7mq2vtd4x3aa"):
            assert (f"https://ops.example/x/{link}" in mail.decode()) is (console is not None)
