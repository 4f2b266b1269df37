"""What do the commands show? Runs them on a new pipeline and draws docs/terminal/*.svg."""

from __future__ import annotations

import io
import json
import os
import pty
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

FOLDER = Path(__file__).parent / "terminal"
COLUMNS = 118
BIN = Path(sys.executable).parent
DEADLINE = 120.0  # seconds, for a pipeline to start or to end a run
THEME = TerminalTheme(
    (255, 255, 255),
    (31, 35, 40),
    [
        (31, 35, 40),
        (180, 35, 24),
        (26, 127, 55),
        (154, 103, 0),
        (33, 90, 170),
        (110, 70, 160),
        (27, 124, 131),
        (110, 119, 129),
    ],
)
# No font is fetched: the reader's own monospace will do.
FRAME = """<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve"
 viewBox="0 0 {terminal_width} {terminal_height}">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, Menlo, Consolas, monospace; }}
{styles}
</style>
<defs>{lines}</defs>
<rect width="{terminal_width}" height="{terminal_height}" fill="#fff" stroke="#d0d7de"/>
<g transform="translate(9, 9)">{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""
ORDERS = [
    {"customer": customer, "item": "tea", "pieces": pieces, "cents_each": 450}
    for customer, pieces in (("ada", 3), ("ben", 1), ("cleo", 0), ("dora", 2))
]


def shown(command: str, folder: Path) -> str:
    """Return what a command writes to a terminal, with its colours."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        ["farandole", *shlex.split(command)], cwd=folder, stdout=its, stderr=its
    )
    os.close(its)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(ours)
    process.wait()
    return b"".join(parts).decode().replace("\r\n", "\n")


def draw(name: str, commands: list[str], folder: Path) -> None:
    """Write docs/terminal/NAME.svg: the commands, each with its output."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
    for command in commands:
        console.print(Text(f"$ farandole {command}", style="bold"))
        console.print(Text.from_ansi(shown(command, folder)))
    FOLDER.mkdir(exist_ok=True)
    picture = console.export_svg(theme=THEME, code_format=FRAME, unique_id=name)
    (FOLDER / f"{name}.svg").write_text(picture)
    print(f"docs/terminal/{name}.svg")


def answer(command: str, folder: Path) -> str:
    """Return what a command prints once it succeeds; raises TimeoutError."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        done = subprocess.run(
            ["farandole", *shlex.split(command)], cwd=folder, capture_output=True, text=True
        )
        if done.returncode == 0:
            return done.stdout
        time.sleep(0.5)
    raise TimeoutError(f"farandole {command}: {done.stderr}")


@contextmanager
def pipeline() -> Iterator[Path]:
    """The folder of a new pipeline at work on a Kafka of its own."""
    with tempfile.TemporaryDirectory() as parent:
        subprocess.run(
            ["farandole", "init", "shop"], cwd=parent, check=True, stdin=subprocess.DEVNULL
        )
        folder = Path(parent) / "shop"
        with (folder / "up.log").open("w") as log:
            up = subprocess.Popen(["farandole", "up"], cwd=folder, stdout=log, stderr=log)
            try:
                yield folder
            finally:
                up.terminate()
                up.wait(DEADLINE)


def trigger(order: dict[str, object], folder: Path) -> str:
    """Return the id of the run that an order opens, once that is over."""
    data = shlex.quote(json.dumps(order))
    run: str = json.loads(answer(f"trigger order.placed --json --data {data}", folder))["run"]
    answer(f"run {run} --watch --json", folder)
    return run


def main() -> None:
    os.environ |= {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",  # commands name themselves as called
        "LOGNAME": "ada",
        "COLUMNS": str(COLUMNS),
        "TERM": "xterm-256color",
    }
    with pipeline() as folder:
        draw("try", ["try order.placed --data @trigger.json"], folder)
        runs = [trigger(order, folder) for order in ORDERS]
        draw("books", ["runs", f"run {runs[0]}"], folder)
        draw("trace", ["trace order.placed/0/0/0"], folder)
        draw("dead", ["dead", "dead show check/0"], folder)
        draw("status", ["status"], folder)


if __name__ == "__main__":
    main()
