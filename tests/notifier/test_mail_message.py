"""Does a mail have the right headers and texts, for any content of an event?"""

from __future__ import annotations

import email
import re
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from typing import cast

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from farandole.events.incident_record import NoticeKind
from farandole.events.safe_text import single_line
from farandole.notifier.mail_message import (
    MAX_MAIL_BYTES,
    MAX_NAMED_RECIPIENTS,
    compose_mail,
    compose_test_mail,
    named_recipients,
    notice_message_id,
)
from tests.notifier.made import COMMANDS, NOW, OPENED, SENDER, incident, sample

OPS = ("ops@example.com",)


def read(mail: str) -> EmailMessage:
    return email.message_from_bytes(mail.encode("ascii"), policy=default)


def made(number: int = 0, kind: str = "opened", **fields: object) -> EmailMessage:
    return read(
        compose_mail(
            incident(**fields), kind, number,  # type: ignore[arg-type]
            sender=SENDER, recipients=OPS, commands=COMMANDS, now=NOW,
        )[1]
    )  # fmt: skip


def body(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return cast(str, part.get_content()).replace("\r\n", "\n")


def first_line(mail: EmailMessage) -> str:
    line = body(mail).splitlines()[0]
    assert f">{line}<" in body(mail, "html")  # a phone shows the beginning of either
    return line


def test_the_first_line_has_the_count_and_the_time() -> None:
    assert first_line(made()) == "1\u202f204 events died in validate since 12:03 UTC."


def test_one_event_is_written_in_the_singular() -> None:
    assert first_line(made(count=1)) == "1 event died in validate since 12:03 UTC."


def test_the_day_is_shown_if_it_is_not_today() -> None:
    day_before = OPENED - timedelta(days=1)
    text = first_line(made(opened=day_before))
    assert text == "1\u202f204 events died in validate since 23 Nov, 12:03 UTC."


def test_a_growing_incident_shows_the_increase() -> None:
    text = first_line(made(1, "growing", count=3204, told=1204))
    assert text == (
        "3\u202f204 events died in validate since 12:03 UTC,"
        " 2\u202f000 of them since the last notice."
    )


def test_a_resolved_incident_shows_its_first_and_last_time() -> None:
    mail = made(2, "resolved", resolved=NOW + timedelta(minutes=30))
    assert first_line(mail) == (
        "Over: 1\u202f204 events died in validate between 12:03 and 12:09 UTC."
    )
    assert "household_id" not in body(mail)


def test_samples_are_shown_with_their_positions() -> None:
    for kind in ("plain", "html"):
        text = body(made(), kind)
        for word in ("line.ingested/3/10482", "line.ingested/3/22015", '"sales_cents": 399'):
            assert word in text


def test_commands_are_shown_as_they_are_typed() -> None:
    for _, command in COMMANDS:
        assert f"    {command}\n" in body(made())


def test_a_command_that_is_too_long_is_left_out_not_cut() -> None:
    long = "farandole tail " + "x" * 5000
    _, mail = compose_mail(
        incident(), "opened", 0,
        sender=SENDER, recipients=OPS, commands=[("look", long)], now=NOW,
    )  # fmt: skip
    assert "farandole tail x" not in body(read(mail))
    assert "5\u202f015 characters" in body(read(mail))


def test_more_commands_than_fit_are_counted() -> None:
    many = [("look", f"farandole tail {'x' * 300}")] * 20
    _, mail = compose_mail(
        incident(), "opened", 0, sender=SENDER, recipients=OPS, commands=many, now=NOW
    )
    assert re.search(r"and 1\d more", body(read(mail)))


def test_other_incidents_are_listed() -> None:
    others = [incident(stage=f"s{i}", count=2) for i in range(13)]
    _, mail = compose_mail(
        incident(), "opened", 0, sender=SENDER, recipients=OPS, others=others, now=NOW
    )
    text = body(read(mail))
    assert "s9: Reject: something was paid for nothing (2 since 12:03 UTC)" in text
    assert "and 3 more" in text


def test_the_subject_does_not_change_so_that_mail_programs_can_thread() -> None:
    subjects = [made(0)["Subject"], made(1, "growing", count=9)["Subject"]]
    assert subjects == [
        "[order-lines] validate: Reject: something was paid for nothing",
        "Re: [order-lines] validate: Reject: something was paid for nothing",
    ]


def test_the_references_are_the_first_and_the_previous_mail() -> None:
    ids = [f"<b2x7k4qdm5c3a.{n}@example.com>" for n in range(4)]
    first, second, fourth = made(0), made(1), made(3)
    assert [mail["Message-ID"] for mail in (first, second, fourth)] == [ids[0], ids[1], ids[3]]
    assert (first["In-Reply-To"], first["References"]) == (None, None)
    assert (second["In-Reply-To"], second["References"]) == (ids[0], ids[0])
    assert (fourth["In-Reply-To"], fourth["References"]) == (ids[2], f"{ids[0]} {ids[2]}")


def test_the_headers_mark_the_mail_as_automatic() -> None:
    mail = made()
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"] == "<order-lines.validate.example.com>"
    assert mail["X-Farandole-Incident"] == "b2x7k4qdm5c3a"
    assert mail["Date"].datetime == NOW.replace(microsecond=0)


def test_the_same_arguments_give_the_same_mail() -> None:
    assert made(1).as_bytes() == made(1).as_bytes()


def test_the_html_loads_no_external_resources() -> None:
    assert not re.search(r"src=|href=|url\(|<script|<link|@import", body(made(), "html"))


def test_html_in_an_event_is_escaped() -> None:
    text = body(made(title="<script>alert(1)</script>&amp;"), "html")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;" in text


def test_control_and_direction_characters_are_escaped() -> None:
    mail = made(title="a\u202eb\x1b[31m", samples=(sample(data="c\u2066\x9b"),))
    assert "a\\u202eb\\x1b[31m" in mail["Subject"]
    assert "c\\u2066\\x9b" in body(mail)


def test_an_encoded_word_in_an_error_is_not_decoded() -> None:
    """`=0D=0A` would become a new line of the header in a program that decodes it."""
    subject = made(title="=?utf-8?q?a=0D=0ABcc:_x@example.com?=")["Subject"]
    assert "a=0D=0ABcc" in subject


def test_a_subject_that_is_not_ascii_is_encoded_as_mail_programs_read_it() -> None:
    subject, mail = compose_mail(
        incident(title="grüße " * 20), "growing", 1, sender=SENDER, recipients=OPS, now=NOW
    )
    lines = mail.partition("\r\nFrom:")[0].removeprefix("Subject: Re: ").split("\r\n ")
    assert all(re.fullmatch(r"=\?utf-8\?b\?[A-Za-z0-9+/]+=*\?=", line) for line in lines)
    assert max(map(len, lines)) <= 75
    assert read(mail)["Subject"] == subject


def test_too_many_recipients_are_not_named() -> None:
    many = [f"u{n}@example.com" for n in range(MAX_NAMED_RECIPIENTS + 1)]
    _, mail = compose_mail(incident(), "opened", 0, sender=SENDER, recipients=many, now=NOW)
    assert read(mail)["To"] == "undisclosed-recipients:;"
    assert named_recipients(mail) == ()


def test_named_recipients_can_be_read_from_the_mail() -> None:
    some = tuple(
        f"somebody.with.a.long.name.{n}@department.example.com" for n in range(MAX_NAMED_RECIPIENTS)
    )
    _, mail = compose_mail(incident(), "opened", 0, sender=SENDER, recipients=some, now=NOW)
    assert named_recipients(mail) == some


def test_invalid_addresses_are_not_named() -> None:
    odd = ["ops@example.com", "a@b\r\nBcc: c@d", "=?utf-8?q?x?=@example.com", "ü@example.com", ""]
    _, mail = compose_mail(incident(), "opened", 0, sender=SENDER, recipients=odd, now=NOW)
    assert read(mail)["To"] == "ops@example.com"
    assert read(mail)["Bcc"] is None


def test_an_invalid_sender_raises_value_error() -> None:
    with pytest.raises(ValueError, match="not an address"):
        compose_mail(incident(), "opened", 0, sender="a b", recipients=OPS, now=NOW)


def test_the_id_of_a_notice_is_the_message_id_of_its_mail() -> None:
    assert made(7)["Message-ID"] == f"<{notice_message_id('b2x7k4qdm5c3a', 7, SENDER)}>"


@pytest.mark.parametrize(
    "sender", [f"a@{'x' * 63}.{'y' * 60}.example.com", f"a@{'x' * 63}", "a@b"], ids=len
)
def test_a_long_domain_leaves_the_ids_readable(sender: str) -> None:
    _, mail = compose_mail(incident(), "growing", 12, sender=sender, recipients=OPS, now=NOW)
    assert re.fullmatch(r"<\S+> <\S+>", read(mail)["References"])
    assert re.fullmatch(r"<\S+@\S+>", read(mail)["Message-ID"])
    assert "=?" not in mail.partition("\r\n\r\n")[0]


def test_a_test_mail_says_that_it_is_a_test() -> None:
    mail = read(
        compose_test_mail(
            sender=SENDER,
            recipient=OPS[0],
            paragraphs=["It works."],
            now=NOW,
            message_id="t@example.com",
        )
    )
    assert body(mail).startswith("Farandole can write to you: this is a test\n\nIt works.\n")
    assert mail["To"] == OPS[0]


anything = st.text(st.characters(exclude_categories=()), max_size=80) | st.sampled_from(
    [
        "", "\r\nBcc: x@y\r\n\r\nhello", "=?utf-8?b?Cg==?=", "x" * 1500, "é" * 1500, "\0" * 1500,
        "\U0001f4a3" * 1500, "&" * 1500, "\ud800" * 1500, "=" * 1500, "a " * 1500, "\n" * 1500,
        "--=_0\r\n", "\u202e", "\x1b]0;title\x07", ".", "From me", "; ", '"', "<", "(", "\\", "\t",
    ]
)  # fmt: skip
HEADERS = [
    "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress",
    "In-Reply-To", "References", "List-Id", "X-Farandole-Incident", "X-Farandole-Kind",
    "X-Farandole-Severity",
    "MIME-Version", "Content-Type",
]  # fmt: skip
SAMPLE = ("topic", "dead_topic", "run", "key", "message", "data")
WORST = "\U0001f4a3" * 5000


@settings(phases=set(Phase) - {Phase.shrink, Phase.explain})  # each step of it reads a mail
@given(st.data())
def test_any_text_in_any_field_gives_a_mail_with_the_intended_headers(
    data: st.DataObject,
) -> None:
    text = {
        name: data.draw(anything, name)
        for name in (
            "id", "pipeline", "stage", "error", "title", "version", "acknowledged_by", "fingerprint"
        )
    }  # fmt: skip
    inside = {
        name: data.draw(anything, name) for name in ("topic", "run", "key", "message", "data")
    }
    found = incident(**text, samples=(sample(**inside),) * data.draw(st.integers(0, 3)))
    commands = data.draw(st.lists(st.tuples(anything, anything), max_size=4))
    recipients = data.draw(st.lists(anything, max_size=3))
    kinds: list[NoticeKind] = ["opened", "growing", "resolved"]
    kind = data.draw(st.sampled_from(kinds))
    subject, mail = compose_mail(
        found, kind, 3, sender=SENDER, recipients=[*OPS, *recipients], commands=commands, now=NOW
    )
    check(subject, mail)


def check(subject: str, mail: str) -> None:
    raw = mail.encode("ascii")
    assert len(raw) <= MAX_MAIL_BYTES
    lines = raw.split(b"\r\n")
    assert all(len(line) <= 998 for line in lines)
    assert not any(set(line) & {10, 13, 0} for line in lines)
    parsed = read(mail)
    assert parsed.keys() == HEADERS
    assert parsed["Subject"] == subject
    assert single_line(subject) == subject
    assert parsed["To"] == OPS[0]
    assert parsed["Message-ID"].count("@") == 1
    assert not parsed.defects
    parts = list(parsed.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    for part in parts:
        assert not part.defects
        text = cast(str, cast(EmailMessage, part).get_content()).replace("\r\n", "\n")
        assert not set(text) & {"\0", "\x1b", "\r", "\u202e"}


@pytest.mark.parametrize("worst", [WORST, "&" * 20_000, "=" * 20_000, "é" * 20_000, "\x01" * 9_000])
def test_the_largest_mail_is_bounded(worst: str) -> None:
    """All fields have the longest content."""
    names = ("id", "pipeline", "stage", "error", "title", "version", "acknowledged_by")
    full = incident(
        **dict.fromkeys(names, worst), resolved=NOW,
        samples=(sample(**dict.fromkeys(SAMPLE, worst)),) * 9,
    )  # fmt: skip
    subject, mail = compose_mail(
        full, "opened", 10**9,
        sender=f"{'a' * 64}@{'x' * 63}.{'y' * 63}.example.com",
        recipients=[
            f"{'r' * 64}@{'x' * 63}.{'y' * 63}.{n}.com" for n in range(MAX_NAMED_RECIPIENTS)
        ],
        commands=[(worst, worst[:200])] * 99, others=[full] * 99, now=NOW,
    )  # fmt: skip
    assert len(mail) <= MAX_MAIL_BYTES
    assert read(mail)["Subject"] == subject


@given(
    st.integers(0, 2**40),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(timezones=st.just(UTC)),
)
@example(0, datetime(1, 1, 1, tzinfo=UTC), NOW)
def test_any_count_and_time_can_be_written(count: int, opened: datetime, last: datetime) -> None:
    for kind in ("opened", "growing", "resolved"):
        made(1, kind, count=count, opened=opened, last=last)
