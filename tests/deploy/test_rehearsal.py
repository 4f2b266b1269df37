"""Can deploy/rehearse work: is all there that it runs, imports, edits and asks for?"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from farandole.cli.__main__ import farandole
from farandole.cli.rendering.top_view import rates_lines
from farandole.events.kafka_names import KafkaNames
from farandole.operations.status.stage_rates import RatesResult
from farandole.router.topology_file_check import check_topology_file

ROOT = Path(__file__).parents[2]
SCRIPTS = [
    file
    for file in sorted((ROOT / "deploy").rglob("*"))
    if file.is_file() and file.read_text().startswith("#!")
]
REHEARSAL = (ROOT / "deploy" / "rehearse").read_text()


def python_parts() -> list[tuple[str, str]]:
    """Return the Python programs inside of the shell scripts, with the script's name."""
    found = []
    for file in SCRIPTS:
        parts = re.findall(r"<<'END'[^\n]*\n(.*?)\n *END\n", file.read_text(), re.DOTALL)
        found += [(file.name, part) for part in parts]
    return found


def program(source: str) -> tuple[str, list[str]]:
    """Return the imports of a program, and the names that it uses and neither imports nor sets."""
    tree = ast.parse(source)
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
    known = {a.asname or a.name for each in imports for a in each.names}
    known |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
    used = {n.id for n in names if isinstance(n.ctx, ast.Load)}
    builtin = set(dir(__builtins__)) | set(vars(__import__("builtins")))
    return "\n".join(map(ast.unparse, imports)), sorted(used - known - builtin)


def commands() -> list[list[str]]:
    """Return each `farandole …` that the rehearsal runs."""
    lines = REHEARSAL.replace("\\\n", " ")
    found = re.findall(r"(?:exec -T \w+ farandole|-m farandole) ([^|)>\n]+)", lines)
    return [shlex.split(re.sub(r"\s2$|;.*", "", each).replace('\\"', "")) for each in found]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_a_shell_understands_the_script(script: Path) -> None:
    shell = "bash" if "bash" in script.read_text().splitlines()[0] else "sh"
    checked = subprocess.run([shell, "-n", script], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_the_program_that_tries_the_image_runs() -> None:
    """What the image's build imports, after it has removed files, is there at all."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    (source,) = re.findall(r'/venv/bin/python -c "(.*?)"', lines)
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr


def test_the_stand_in_has_the_programs_of_the_base_image_that_the_build_runs() -> None:
    runs = re.findall(r"(?:^RUN|&&) (python|pip) ", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    stand_in = (ROOT / "deploy" / "stand-in" / "python.Dockerfile").read_text()
    assert set(runs) == {"python", "pip"}
    for name in set(runs):
        assert f" /usr/local/bin/{name}\n" in stand_in.replace(" \\\n", "\n"), name


def test_there_are_programs_and_commands_to_check() -> None:
    assert {name for name, _ in python_parts()} == {"rehearse", "build"}
    assert {words[0] for words in commands()} >= {"history", "tail", "trigger", "top"}


@pytest.mark.parametrize(("script", "source"), python_parts(), ids=lambda text: text[:8])
def test_a_program_inside_of_a_script_finds_what_it_imports(script: str, source: str) -> None:
    imports, unknown = program(source)
    assert unknown == []
    ran = subprocess.run([sys.executable, "-c", imports], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_that_it_runs_is_there_with_its_options(words: list[str]) -> None:
    with click.Context(farandole) as context:
        if words[0].startswith("--bootstrap"):
            words = words[2:]
        command = farandole.get_command(context, words[0])
    assert command is not None, words
    command.make_context(words[0], words[1:])  # a usage error is the failure


def test_it_finds_the_stage_in_the_table_of_rates() -> None:
    (pattern,) = re.findall(r"farandole top .*grep -q '(.*)'", REHEARSAL)
    span = {"rate": 1.0, "handling_ms": None, "age": None, "dead_share": None}
    stage = {"pipeline": "order-lines", "stage": "load", "last": 0.0}
    rates = RatesResult(
        trouble=None, unread=0, stages=[{**stage, "10s": span, "1m": span, "10m": span}]
    )
    assert [line for line in rates_lines(rates, now=1.0) if re.search(pattern, line)]


def test_the_file_that_it_saves_can_be_applied(tmp_path: Path) -> None:
    (edit,) = re.findall(r"^sed '(s/\^  price.*)' \\$", REHEARSAL, re.MULTILINE)
    before = (ROOT / "topology.yaml").read_text()
    ran = subprocess.run(["sed", edit], input=before, capture_output=True, text=True, check=True)
    assert ran.stdout != before
    (tmp_path / "topology.yaml").write_text(ran.stdout)
    (tmp_path / "stages").symlink_to(ROOT / "stages")
    checked = check_topology_file(tmp_path / "topology.yaml", KafkaNames())
    assert checked.is_fit, checked.findings
    assert checked.topology
    assert "line.checked" in {e for s in checked.topology.stages.values() for e in s.emits}


def test_it_waits_for_services_and_files_that_there_are() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for service in set(re.findall(r"(?:exec -T|container) (\w+)", REHEARSAL)):
        assert f"\n  {service}:\n" in compose, service
    for path in re.findall(r"(?<![\w/])deploy/[\w/-]+", REHEARSAL):
        assert (ROOT / path).exists(), path
