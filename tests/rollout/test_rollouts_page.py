"""What `docs/rollouts.md` shows was run, and its tables list what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wmenv.rollout.convert import FORMATS
from wmenv.rollout.plan import Plan
from wmenv.rollout.policies import POLICIES
from wmenv.rollout.rows import Rows
from wmenv.worlds.pan import PanWorld

PAGE = (Path(__file__).parents[2] / "docs" / "rollouts.md").read_text("utf-8")
MAKING, ACTING = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_first_lines_on_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(MAKING, names)
    assert names["episode"].steps == 10
    assert len(names["world"].episodes) == 6


def test_the_policy_on_the_page_runs():
    names: dict = {}
    exec(ACTING, names)
    plan = Plan(world="here", episodes=2, max_steps=8)
    done = list(Rows(PanWorld(), names["explorer"], plan, 2).run([range(2)]))
    assert {action for finished in done for action in finished.episode.actions.tolist()} == {0, 1}


def test_the_formats_and_policies_on_the_page_are_those_there_are():
    assert re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE) == list(FORMATS)
    assert all(f"`{name}`" in PAGE for name in POLICIES)


@pytest.mark.parametrize("key", re.findall(r"--set (\w+)", PAGE))
def test_every_key_on_the_page_is_a_key_of_a_plan(key):
    assert key in Plan.model_fields
