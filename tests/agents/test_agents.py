"""Every agent runs as it is called, says what it takes, and needs nothing but public names."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

AGENTS = Path(__file__).parents[2] / "agents"
NAMES = sorted(path.stem for path in AGENTS.glob("*.py"))
PAGE = (AGENTS / "README.md").read_text("utf-8")


def agent(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"agents_{name}", AGENTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def run(monkeypatch, capsys, name: str, *words: str) -> str:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, words)])
    agent(name).main()
    return capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_help_is_there_and_names_every_option(monkeypatch, capsys, name):
    with pytest.raises(SystemExit) as left:
        run(monkeypatch, capsys, name, "--help")
    assert left.value.code == 0
    assert "--seed" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_only_public_names_are_used(name):
    tree = ast.parse((AGENTS / f"{name}.py").read_text())
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    taken = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self")
    ]
    assert not [one for one in imported if one.startswith("_")]
    assert not [one for one in taken if one.startswith("_") and not one.startswith("__")]
    assert not [one for one in modules if one.split(".")[0] in ("agents", "tests", "minigrid")]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_lists_it(name):
    assert f"`{name}.py`" in PAGE


def test_random_walk(monkeypatch, capsys, tmp_path):
    words = ("--env", "wmenv/Pan-v0", "--episodes", "2", "--steps", "5", "--out", tmp_path)
    out = run(monkeypatch, capsys, "random_walk", *words)
    assert out.count("5 steps, truncated") == 2
    assert (tmp_path / "episodes.jsonl").read_text().count('"reward_source": "env"') == 2


def test_ppo_learns_from_real_moments_is_tried_and_goes_on(monkeypatch, capsys, tmp_path):
    words = ["--env", "wmenv/GridRoomsSource-Fetch-v0", "--out", tmp_path]
    words += ["--rows", "2", "--horizon", "8", "--episodes", "2", "--trial-horizon", "3", "--real-starts", "3"]
    first = run(monkeypatch, capsys, "ppo", *words, "--steps", "128")
    result = json.loads(first.splitlines()[-1])
    assert result["steps"] == 128
    assert 0 <= result["wmenv/GridRoomsSource-Fetch-v0"] <= 1
    again = run(monkeypatch, capsys, "ppo", *words, "--steps", "256")
    assert "goes on from step 128" in again
    assert json.loads(again.splitlines()[-1])["steps"] == 256


def test_dqn(monkeypatch, capsys, tmp_path):
    words = ("--env", "wmenv/GridRoomsSource-Reach-v0", "--steps", "64", "--rows", "2", "--horizon", "8")
    out = run(monkeypatch, capsys, "dqn", *words, "--episodes", "1", "--out", tmp_path)
    assert json.loads(out.splitlines()[-1])["steps"] == 64
    assert list(tmp_path.glob("*.zip"))


def test_leave_and_return_sees_a_true_world_hold(monkeypatch, capsys):
    words = ("--env", "wmenv/GridRoomsSource-Explore-v0", "--scenes", "2", "--waits", "0", "3", "--stroll", "4")
    out = run(monkeypatch, capsys, "leave_and_return", *words)
    assert out.count("1.000 as before (worst 1.000)") == 2


def test_the_planner_with_forks_solves_what_the_greedy_one_does_not(monkeypatch, capsys):
    words = ("--env", "wmenv/GridRoomsSource-Fetch-v0", "--episodes", "4", "--steps", "32")
    out = run(monkeypatch, capsys, "planner", *words)
    solved = {line.split(":")[0]: int(line.split(": ")[1][0]) for line in out.splitlines()}
    assert solved["with forks"] > solved["greedy"]


def test_planning_does_not_disturb_the_moment_it_starts_from():
    import gymnasium as gym

    planner = agent("planner").Planner(depth=3, width=4, rng=np.random.default_rng(0))
    frames = []
    for plans in (True, False):
        env = gym.make("wmenv/Pan-v0")
        env.reset(seed=2)
        if plans:
            planner.plan(env)
        frames.append(env.step(1)[0])
    np.testing.assert_array_equal(*frames)


def test_text_policy_talks_to_its_stand_in_and_is_done_the_second_time(monkeypatch, capsys, tmp_path):
    words = ("--env", "wmenv/GridRoomsSource-Fetch-v0", "--episodes", "2", "--steps", "6", "--out", tmp_path)
    first = run(monkeypatch, capsys, "text_policy", *words)
    assert first.count("invalid answers") == 2
    assert run(monkeypatch, capsys, "text_policy", *words) == first


@pytest.mark.parametrize(("task", "least"), [("reach", 0.3), ("fetch", 0.3)])
def test_the_caption_policy_is_a_baseline_worth_beating(monkeypatch, capsys, task, least):
    out = run(monkeypatch, capsys, "caption_policy", "--task", task, "--only", "outside", "--episodes", "16")
    assert float(out.split("success ")[1].split()[0]) >= least


@pytest.mark.parametrize(
    ("caption", "action"),
    [
        ("a red ball ahead; you are red", "pickup"),
        ("a red ball two ahead; you are red", "forward"),
        ("a red ball one left; you are red", "left"),
        ("a red ball ahead and one right; you are red", "forward"),
        ("a closed blue door ahead; a red ball three ahead; you are red", "toggle"),
        ("an open blue door ahead; a red ball three ahead; you are red", "forward"),
    ],
)
def test_captions_are_acted_on(caption, action):
    assert agent("caption_policy").CaptionPolicy("fetch", 0)(caption) == action
