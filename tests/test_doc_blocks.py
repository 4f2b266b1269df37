"""Does each block of code and each command in the docs work as it is written?

A block says what it is: a language that is tested here, or what a program has written (`text`, or
`python output` for its colours). A Python or YAML block whose first line is `# a/file.name` is a
file of its page's project, which is linted and whose tests are run; other Python blocks of a page
are run one after the other. `<!-- project: DIR -->` says that a page shows files of the project in
DIR, whose other files are taken as they are."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from farandole.broker.settings import Settings
from farandole.cli.__main__ import farandole
from farandole.notifier.settings import NotifierSettings
from farandole.operations.setup.metrics_settings import MetricsSettings
from farandole.operations.setup.web_settings import WebSettings
from farandole.router.file_model import read_topology_file
from farandole.router.yaml_source import read_yaml
from tests.test_docs import PAGES, ROOT

LANGUAGES = {"python", "yaml", "json", "toml", "sh", "console", "text", "mermaid", "ini"}
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>[^\n]*)\n(?P<text>.*?)^ *```$", re.M | re.S)
PROJECT = re.compile(r"<!-- project: (\S+) -->")
FILE_NAME = re.compile(r"# (\S+\.\w+)( .*)?\n")
INLINE = re.compile(r"(?<!`)`farandole ([^`]+)`(?!`)")
PLACEHOLDER = re.compile(r"[A-Z]+|.*[…\[\]|].*")
PROGRAMS = {
    "bash", "cat", "cd", "control", "control()", "curl", "docker", "dot", "echo", "export", "git",
    "head", "kafka-acls.sh", "kafka-configs.sh", "kcat", "kubectl", "pre-commit", "pytest",
    "python", "source", "sqlite3", "zcat", "}",
}  # fmt: skip
"""What commands may call beside `farandole` and `make`; it is not run here. Pages define `control`,
which writes a control document."""


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name of the file that it is in its page's project."""
        found = FILE_NAME.match(self.text)
        return found[1] if found and self.language in ("python", "yaml") else None


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        content = re.sub(rf"^{found['indent']}", "", found["text"], flags=re.M)
        yield Block(page, line, found["language"].strip(), content)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
PROJECTS = sorted({block.page for block in BLOCKS if block.file})
SEQUENCES = sorted({b.page for b in BLOCKS if b.language == "python" and not b.file})


def of_language(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_each_block_says_what_it_is(block: Block) -> None:
    language = block.language.removesuffix(" output")
    assert language in LANGUAGES, "mark what a program has printed as `text`"


def write_project(page: Path, folder: Path) -> dict[str, str]:
    """Write the files of a page into a folder, and return their texts by name."""
    files = {block.file: block.text for block in blocks_of(page) if block.file}
    if project := PROJECT.search(page.read_text()):
        shutil.copytree(ROOT / project[1], folder, dirs_exist_ok=True)
        tests = [*folder.glob("test_*.py")]
        files = {test.name: test.read_text() for test in tests} | files
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return files


def run_module(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True
    )


@pytest.mark.parametrize("page", PROJECTS, ids=lambda page: page.name)
def test_a_pages_files_are_a_project_whose_tests_pass(page: Path, tmp_path: Path) -> None:
    files = write_project(page, tmp_path)
    linted = run_module(tmp_path, "farandole", "lint")
    assert (linted.returncode, linted.stderr) == (0, "")
    tests = sum(len(re.findall(r"^(?:async )?def test_", text, re.M)) for text in files.values())
    assert tests > 0
    plugin = "farandole.testing.pytest_plugin"  # loaded by its entry point where it is installed
    done = run_module(tmp_path, "pytest", "-q", "-p", plugin, "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
    assert f"{tests} passed" in done.stdout


SHOWN = [b for b in BLOCKS if b.page in PROJECTS and b.text.startswith("$ farandole try ")]


@pytest.mark.parametrize("block", SHOWN, ids=str)
def test_what_a_console_shows_of_a_pages_project_is_printed(block: Block, tmp_path: Path) -> None:
    write_project(block.page, tmp_path)
    command, _, shown = block.text.removeprefix("$ ").partition("\n")
    done = run_module(tmp_path, *shlex.split(command))
    assert _without_times(done.stdout) == _without_times(shown)


def _without_times(text: str) -> str:
    return re.sub(r"\d+(\.\d+)? (ms|s|us|µs)\b", "TIME", text)


@pytest.mark.parametrize("page", SEQUENCES, ids=lambda page: page.name)
def test_the_other_python_of_a_page_runs(page: Path) -> None:
    names: dict[str, object] = {}
    for block in blocks_of(page):
        if block.language == "python" and not block.file:
            # Its lines count from the page's, so that an error names them.
            code = "\n" * block.line + block.text
            try:
                exec(compile(code, str(page), "exec", dont_inherit=True), names)
            except ModuleNotFoundError as error:
                if error.name != "openfeature":
                    raise
                pytest.skip("the extra openfeature is not installed")


@pytest.mark.parametrize("block", [b for b in of_language("yaml") if not b.file], ids=str)
def test_a_part_of_a_topology_file_is_one(block: Block) -> None:
    """Stages alone may stand without `stages:`."""
    text = f"stages:\n{block.text}" if block.text.startswith(" ") else block.text
    head = "" if re.search(r"^pipeline:", text, re.M) else "pipeline: p\n"
    tail = "" if re.search(r"^stages:", text, re.M) else "\nstages: {s: {subscribes: a}}\n"
    document, findings = read_yaml(f"{head}{text}{tail}".encode(), str(block))
    assert document is not None, findings
    _, problems = read_topology_file(document)
    assert [str(each) for each in (*findings, *problems)] == []


@pytest.mark.parametrize("block", of_language("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    try:
        json.loads(block.text)
    except ValueError:  # a document a line
        for line in block.text.splitlines():
            json.loads(line)


@pytest.mark.parametrize("block", of_language("toml"), ids=str)
def test_settings_are_settings(block: Block, tmp_path: Path) -> None:
    settings = tomllib.loads(block.text)
    assert settings.pop("notifier", {}).keys() <= NotifierSettings.model_fields.keys()
    assert settings.pop("web", {}).keys() <= WebSettings.model_fields.keys()
    assert settings.pop("metrics", {}).keys() <= MetricsSettings.model_fields.keys()
    assert settings.keys() <= Settings.model_fields.keys()


def commands_in(block: Block) -> Iterator[list[str]]:
    """Yield the words of each command; what a console has printed is left out."""
    lines = block.text.splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    waiting = ""
    for line in lines:
        waiting += line.removesuffix("\\") if line.endswith("\\") else f"{line}\n"
        if line.endswith("\\"):
            continue
        try:
            words = _words(waiting)
        except ValueError:  # a quotation that goes on in the next line
            continue
        waiting = ""
        yield from _split(words)
    assert not waiting, "a quotation has no end"


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    return list(lexer)


def _split(words: list[str]) -> Iterator[list[str]]:
    """Yield the single commands of a line, without assignments and redirections."""
    command: list[str] = []
    target_follows = False
    for word in [*words, ";"]:
        if set(word) <= set("|&;"):
            while command and re.match(r"\w+=", command[0]):
                command.pop(0)
            if command:
                yield command
            command = []
        elif set(word) <= set("<>"):
            target_follows = True
        elif target_follows:
            target_follows = False
        else:
            command.append(word)


def parse(words: list[str]) -> None:
    """Parse a command line of ours as the real command line does. Raises click.ClickException."""
    command: click.Command = farandole
    context: click.Context | None = None
    while True:
        context = command.make_context(command.name or "", words, parent=context)
        if not isinstance(command, click.Group):
            return
        words = [*context._protected_args, *context.args]
        if not words:
            return
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found


@pytest.mark.parametrize("block", of_language("sh", "console"), ids=str)
def test_each_command_is_one_that_exists(block: Block) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    for program, *words in commands_in(block):
        if program == "farandole":
            assert_parses(words)
        elif program == "make":
            goals = [word for word in words if "=" not in word and not word.startswith("-")]
            assert set(goals) <= targets, words
        else:
            assert program in PROGRAMS or program.startswith(("$", "./")), program


def assert_parses(words: list[str]) -> None:
    """Assert that our command line takes these words. What stands for something else (`STAGE`,
    `[FILE]`) may be left out, and a file need not be there."""
    try:
        parse(words)
    except click.exceptions.Exit:
        pass  # --help
    except click.UsageError as error:
        is_value = isinstance(error, click.BadParameter | click.MissingParameter)
        stands_for = is_value and any(PLACEHOLDER.fullmatch(word) for word in words)
        if not stands_for and "does not exist" not in error.message:
            raise AssertionError(f"{words}: {error.format_message()}") from None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_in_a_sentence_exists_and_has_these_options(page: Path) -> None:
    prose = BLOCK.sub("", page.read_text())
    for found in INLINE.findall(prose):
        command: click.Command = farandole
        words = re.split(r"[|>]|\$\(", found)[0].replace("[", " ").replace("]", " ").split()
        for word in words:
            if word.startswith("-") and word not in ("-", "--"):
                option = word.partition("=")[0]
                params = [*command.params, *farandole.params]
                known = {"--help", *(o for p in params for o in (*p.opts, *p.secondary_opts))}
                assert option in known, f"{found}: no option {option}"
            elif isinstance(command, click.Group) and re.fullmatch(r"[a-z-]+", word):
                inner = command.get_command(click.Context(command), word)
                assert inner is not None, f"{found}: no command {word}"
                command = inner
