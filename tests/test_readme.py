"""What the README shows works: its Python runs, its commands and files exist, its ids are the registered ones."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import gymnasium
import pytest
import typer

from wmenv.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
PYTHON = [text for kind, text in BLOCKS if kind == "python"]
SHELL = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()]
PROSE = re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE)
QUOTED = re.findall(r"`([^`\n]+)`", PROSE)
COMMANDS = [line for line in [*SHELL, *QUOTED] if re.match(r"(\.venv/bin/)?wmenv ", line)]


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_every_python_block_runs(block, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


def test_the_quick_start_is_ten_lines_of_code():
    assert len([line for line in PYTHON[0].splitlines() if line]) <= 10


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_and_its_options_exist(line):
    _, *words = shlex.split(line)
    command = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
    assert not hasattr(command, "commands") or words in ([], ["--debug", "..."]), f"no such command: {line}"


def test_every_command_is_in_the_table():
    listed = re.findall(r"^\| `wmenv ([\w-]+)", README, re.MULTILINE)
    assert set(listed) == set(typer.main.get_command(app).commands)


def test_every_make_target_exists():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {line.split()[1] for line in [*SHELL, *QUOTED] if line.startswith("make ")}
    assert named
    assert named <= targets


def test_every_file_that_is_named_exists():
    inside = re.compile(r"(wmenv|tests|docs|configs|benchmarks)/[\w./-]*")
    named = {word for quoted in QUOTED for word in quoted.split() if inside.fullmatch(word)} - set(gymnasium.registry)
    linked = set(re.findall(r"\]\(([^)#:]+)\)", PROSE))
    assert linked
    assert not [path for path in named | linked if not (ROOT / path).exists()]


def test_the_table_of_ids_is_the_registry():
    listed = re.findall(r"^\| `(wmenv/\S+)` \| .* \| (\d+) \|$", README, re.MULTILINE)
    registered = {name: spec for name, spec in gymnasium.registry.items() if name.startswith("wmenv/")}
    assert {name: int(steps) for name, steps in listed} == {
        name: spec.max_episode_steps for name, spec in registered.items()
    }


def test_the_table_of_extras_is_that_of_the_package():
    from importlib.metadata import metadata

    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", README.split("| extra |")[1].split("\n\n")[0], re.MULTILINE)
    listed = {extra for row in rows for extra in re.findall(r"`(\w+)`", row)}
    assert listed == set(metadata("wmenv").get_all("Provides-Extra")) - {"all"}
