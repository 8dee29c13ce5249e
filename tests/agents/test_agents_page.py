"""What `docs/agents.md` shows runs, and the commands it names exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "agents.md").read_text("utf-8")
TALKING, GUARDING = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_code_on_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(TALKING, names)
    assert [record["steps"] for record in names["records"]] == [8, 8, 8]
    exec(GUARDING, names)
    env = names["env"]
    env.reset()
    env.step([2, 2])
    assert env.get_attr("reward_source") == ["task:decoded fetch"] * 2


def test_the_programs_on_the_page_take_the_options_they_are_shown_with():
    for program, options in re.findall(r"python ((?:agents|benchmarks)/\w+\.py)(.*)", PAGE):
        text = (ROOT / program).read_text()
        assert all(f'"{option}"' in text for option in re.findall(r"--[\w-]+", options))
