"""The command line, called as a user would: what it prints, what it leaves, and how it refuses."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wmenv.cli import CONFIGS, app
from wmenv.contract import World
from wmenv.errors import WmenvError
from wmenv.worlds.pan import PanWorld

CONFIG_FOLDER = Path(__file__).parent.parent / "configs"
CONFIG_FILES = sorted(path.relative_to(CONFIG_FOLDER) for path in CONFIG_FOLDER.glob("**/*.yaml"))
WITHOUT_FILMS = ("--set", "video_every=0")


@pytest.fixture
def wmenv(monkeypatch, tmp_path):
    """Calls `wmenv ...` in an empty folder, on a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_version(wmenv):
    from wmenv import __version__

    assert wmenv("--version").stdout.strip() == f"wmenv {__version__}"


def test_worlds_lists_what_each_can_do(wmenv):
    shown = wmenv("worlds")
    assert shown.exit_code == 0
    assert "pan" in shown.stdout
    assert "gridrooms-source" in shown.stdout
    assert "64x64" in shown.stdout
    assert "directions" in shown.stdout


def test_check_reports_every_clause_of_a_sound_world(wmenv):
    from wmenv.testing import CLAUSES

    checked = wmenv("check", "pan", "--set", "noise=2.0", "--steps", "4")
    assert checked.exit_code == 0
    assert all(clause in checked.stdout for clause in CLAUSES)


class Forgetful(PanWorld):
    """A world that breaks the contract: a consumed state can be used again."""

    def advance(self, state, actions, directions):
        return super().advance(state.fork(), actions, directions)


def test_check_fails_on_a_world_that_breaks_a_clause(wmenv):
    checked = wmenv("check", "tests.test_cli:Forgetful", "--steps", "4")
    assert checked.exit_code == 2
    assert "breaks" in checked.stderr
    assert isinstance(Forgetful(), World)


def test_play_follows_a_script_and_films_it(wmenv):
    played = wmenv("play", "wmenv/Pan-v0", "--script", "right*3, direct:night falls, left*2", "--out", "film")
    assert played.exit_code == 0, played.output
    record = json.loads(Path("film/episodes.jsonl").read_text())
    assert record["steps"] == 5
    assert record["directions"][0]["text"] == "night falls"
    assert Path("film/videos/episode-000000.webm").stat().st_size > 0
    assert Path("film/videos/episode-000000.png").stat().st_size > 0


def test_play_by_hand_needs_a_terminal(wmenv):
    played = wmenv("play", "wmenv/Pan-v0")
    assert played.exit_code == 2
    assert "--script" in played.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a window needs no display variable")
def test_a_window_needs_a_display(wmenv, monkeypatch):
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    played = wmenv("play", "wmenv/Pan-v0", "--window")
    assert played.exit_code == 2
    assert "no display" in played.stderr


def test_record_keeps_one_line_per_episode(wmenv):
    kept = wmenv(
        "record", "wmenv/Pan-v0", "--episodes", 2, "--policy", "wander", "--out", "kept", "--set", "video_every=0"
    )
    assert kept.exit_code == 0, kept.output
    seeds = [json.loads(line)["seed"] for line in Path("kept/episodes.jsonl").read_text().splitlines()]
    assert seeds == [0, 1]
    assert not Path("kept/videos").exists()


def test_record_takes_a_config_and_what_is_named_stands_above_it(wmenv):
    Path("mine.yaml").write_text("env: wmenv/Pan-v0\nepisodes: 3\nvideo_every: 0\nformats: [csv]\n")
    kept = wmenv("record", "--config", "mine.yaml", "--episodes", 1, "--out", "kept")
    assert kept.exit_code == 0, kept.output
    assert len(Path("kept/episodes.csv").read_text().splitlines()) == 2


def test_a_world_without_reward_can_be_recorded_by_its_name(wmenv):
    kept = wmenv("play", "pan", "--script", "right", "--out", "kept")
    assert kept.exit_code == 0, kept.output
    assert json.loads(Path("kept/episodes.jsonl").read_text())["return"] == 0


def test_demo_leaves_record_film_and_sheet_side_by_side(wmenv):
    shown = wmenv("demo")
    assert shown.exit_code == 0, shown.output
    files = {path.suffix: path for path in Path("out/demo").iterdir()}
    assert {".json", ".webm", ".png"} <= files.keys()
    record = json.loads(files[".json"].read_text())
    assert record["steps"] == 240
    assert record["directions_count"] == 6
    assert all(str(path) in shown.stdout for path in files.values())


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["check", "pann"], "Did you mean 'pan'"),
        (["check", "no.such:world"], "cannot be imported"),
        (["play", "wmenv/Pann-v0", "--script", "left"], "Did you mean 'wmenv/Pan-v0'"),
        (["play", "wmenv/Pan-v0", "--script", "lfet"], "Did you mean 'left'"),
        (["record", "wmenv/Pan-v0", "--policy", "wonder"], "Did you mean 'wander'"),
        (["record", "wmenv/Pan-v0", "--set", "epsiodes=3"], "Did you mean 'episodes'"),
        (["record", "wmenv/Pan-v0", "--episodes", "0"], "greater than 0"),
        (["record", "--config", "absent.yaml"], "absent.yaml"),
        (["record", "wmenv/Pan-v0", "--out", "/dev/null/kept"], "/dev/null/kept"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_two(wmenv, arguments, found):
    refused = wmenv(*arguments)
    assert refused.exit_code == 2
    assert found in refused.stderr
    assert "Traceback" not in refused.output


def test_debug_shows_where_an_error_came_from(wmenv):
    assert isinstance(wmenv("--debug", "check", "pann").exception, WmenvError)


@pytest.mark.parametrize("path", CONFIG_FILES, ids=str)
def test_every_config_file_fills_the_model_of_its_folder(path):
    module, _, name = CONFIGS[str(path.parent)].partition(":")
    getattr(importlib.import_module(module), name).load(CONFIG_FOLDER / path)


def test_there_is_a_config_file_for_every_model():
    assert {str(path.parent) for path in CONFIG_FILES} == CONFIGS.keys()
