"""Is the progress of a long command seen, and only where it should be?"""

from __future__ import annotations

from io import StringIO

from farandole.cli.progress import ProgressLine


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_terminal_has_one_line_that_is_cleared_at_the_end() -> None:
    stream, clock = Terminal(), Clock()
    with ProgressLine(stream, clock) as progress:
        for n in range(1, 4):
            progress.show("line.priced", n * 1000, 3000)
            clock.now += 1
    assert stream.getvalue() == (
        "\r\x1b[Kline.priced: 1\u202f000 of 3\u202f000\r\x1b[Kline.priced: 2\u202f000 of 3\u202f000"
        "\r\x1b[Kline.priced: 3\u202f000 of 3\u202f000\r\x1b[K"
    )


def test_a_log_has_a_plain_line_now_and_then() -> None:
    stream, clock = StringIO(), Clock()
    with ProgressLine(stream, clock) as progress:
        for n in range(25):
            progress.show("line.priced", n, 25)
            clock.now += 1
    assert stream.getvalue() == "line.priced: 10 of 25\nline.priced: 20 of 25\n"


def test_what_a_terminal_would_act_on_is_escaped() -> None:
    stream = Terminal()
    ProgressLine(stream).say("a\x1b[2Jb\nc")
    assert stream.getvalue().count("\x1b") == 1
