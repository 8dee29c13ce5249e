"""What a notebook is shown: recorded episodes as films, running ones as they go on, and nothing disturbed."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest

import wmenv
from wmenv.contract import ActionTable, WorldSpec
from wmenv.episodes import Episode
from wmenv.errors import OptionError

pytest.importorskip("av", reason="films need PyAV, in the extra `live`")

DOCS = Path(__file__).parents[2] / "docs"
SPEC = WorldSpec("<toy>", 16, 16, fps=10.0, actions=ActionTable(("a", "b")))


def film_in(html: str) -> bytes:
    return base64.b64decode(re.search(r"data:video/webm;base64,([^\"]+)", html)[1])


def test_a_recorded_episode_is_a_film(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    episode = Episode(frames, np.array([0, 1, 0, 1]), SPEC, seed=3)
    for shown in (episode, episode.save(tmp_path / "one.safetensors")):
        html = wmenv.watch(shown)._repr_html_()
        assert film_in(html).startswith(b"\x1aE\xdf\xa3")
        assert "&lt;toy&gt;, 4 steps, seed 3" in html
        assert "<toy>" not in html


@pytest.mark.parametrize("record", [True, False])
def test_watching_a_running_episode_changes_nothing(record):
    plain, watched = (gym.make("wmenv/Pan-v0", record=record) for _ in range(2))
    view = wmenv.watch(watched)
    for env in (plain, watched):
        env.reset(seed=4)
    for action in (0, 1, 2, 3):
        a, b = plain.step(action), watched.step(action)
        assert (a[0] == b[0]).all()
        assert a[1:4] == b[1:4]
    assert len(view) == 5
    assert film_in(view._repr_html_())
    view.stop()
    watched.step(0)
    assert len(view) == 5
    watched.close()


def test_a_notebook_sees_the_picture_follow(monkeypatch):
    drawn = []
    handle = SimpleNamespace(update=lambda shown: drawn.append(shown._repr_html_()))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=lambda shown, display_id: handle))
    monkeypatch.setattr("wmenv.live.watch.REFRESH_S", 0.0)
    env = gym.make("wmenv/Pan-v0")
    view = wmenv.watch(env)
    view._ipython_display_()
    env.reset(seed=1)
    env.step(1)
    assert len(drawn) == 2
    assert "step 1" in drawn[-1]
    assert "data:image/png;base64," in drawn[-1]


def test_what_is_no_episode_is_refused():
    with pytest.raises(OptionError, match="nothing to watch"):
        wmenv.watch(SimpleNamespace())


def test_what_the_docs_show_runs():
    block = re.search(r"^```python\n(.*?)^```", (DOCS / "live.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    shown: dict = {}
    exec(compile(block[1], "live.md", "exec"), shown)
    assert len(shown["view"]) == 21
