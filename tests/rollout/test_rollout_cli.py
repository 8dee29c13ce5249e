"""`wmenv rollout` and `wmenv dataset`, called as a user would."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tests.rollout.conftest import COUNTING
from wmenv.cli import app
from wmenv.rollout.dataset import Dataset


@pytest.fixture
def wmenv(monkeypatch, tmp_path):
    """Calls `wmenv ...` in an empty folder, on a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


BASIC = ("rollout", "--world", COUNTING, "--episodes", 4, "--max-steps", 5, "--out", "data", "--no-progress")


def test_a_rollout_from_the_command_line_to_a_conversion(wmenv, tmp_path):
    made = wmenv(*BASIC, "--direct", "1-3:jump", "--seed", 5, "--batch", 2, "--set", "world_settings.goal=30")
    assert made.exit_code == 0, made.output
    assert "4 of 4" in made.stdout
    data = Dataset(tmp_path / "data")
    assert data.plan.world_settings == {"goal": 30}
    assert [episode.seed for episode in data] == [5, 6, 7, 8]
    assert all(episode.directions[0].text == "jump" for episode in data)
    assert (tmp_path / "data" / "report.md").is_file()
    assert "1 shards" not in wmenv("dataset", "info", "data").stdout
    assert "4 episodes" in wmenv("dataset", "verify", "data").stdout
    assert "preview.png" in wmenv("dataset", "preview", "data").stdout
    assert "films" in wmenv("dataset", "convert", "data", "--to", "webm", "--out", "films").stdout


def test_resuming_from_the_command_line(wmenv, tmp_path):
    wmenv(*BASIC, "--no-report")
    refused = wmenv(*BASIC)
    assert refused.exit_code == 2
    assert "--resume" in refused.stderr
    assert wmenv("rollout", "--resume", "--out", "data", "--no-progress", "--episodes", 6).exit_code == 0
    assert Dataset(tmp_path / "data").complete
    assert len(Dataset(tmp_path / "data")) == 6


def test_damage_is_one_red_line_and_exit_code_two(wmenv, tmp_path):
    wmenv(*BASIC, "--no-report")
    (tmp_path / "data" / "shards" / "shard-000000.npz").write_bytes(b"")
    found = wmenv("dataset", "verify", "data")
    assert found.exit_code == 2
    assert "shard-000000.npz" in found.stderr
    assert found.stderr.count("\n") == 1


def test_a_yaml_file_may_hold_the_plan(wmenv, tmp_path):
    (tmp_path / "plan.yaml").write_text(f"world: {COUNTING}\nepisodes: 3\nmax_steps: 4\n")
    assert wmenv("rollout", "--config", "plan.yaml", "--out", "data", "--no-progress", "--no-report").exit_code == 0
    assert len(Dataset(tmp_path / "data")) == 3


def test_the_function_and_the_package_share_a_name(tmp_path):
    import wmenv as package
    import wmenv.rollout

    for call in (package.rollout, wmenv.rollout, wmenv.rollout.rollout):
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        assert call(COUNTING, episodes=1, max_steps=2, out=out, progress=False, report=False).complete
