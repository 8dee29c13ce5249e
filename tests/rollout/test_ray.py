"""Ray actors make the same data set, and may be lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from wmenv.errors import ActionError
from wmenv.rollout.dataset import differences

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, about its future
]
ROOT = str(Path(__file__).parent.parent.parent)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """A cluster of two cores on this machine that writes nothing outside its own folder."""
    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    paths = {"env_vars": {"PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}}
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, runtime_env=paths)
    yield
    ray.shutdown()


def checksums(data):
    return [shard["sha256"] for shard in data.manifest["shards"]]


@pytest.mark.parametrize(("workers", "batch"), [(1, 1), (2, 32), (4, 4)])
def test_any_number_of_actors_makes_the_same_bytes(make, workers, batch):
    alone = make("alone", batch=1)
    several = make("several", ray=True, workers=workers, batch=batch)
    assert several.complete
    assert checksums(several) == checksums(alone)
    assert not differences(several, alone)


def dies_once(view, mark=""):
    """Kills its actor in the middle of episode 4, the first time anybody plays it."""
    if any(mind.episode == 4 and mind.step == 2 for mind in view.minds) and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return np.full(len(view.frames), 1)


def test_the_shards_of_a_lost_actor_are_made_by_others(make, tmp_path):
    settings = {"policy": "tests.rollout.test_ray:dies_once", "batch": 2}
    (tmp_path / "spared").touch()
    calm = make("calm", policy_settings={"mark": str(tmp_path / "spared")}, **settings)
    with pytest.warns(RuntimeWarning, match="was lost; shards"):
        shaken = make("shaken", policy_settings={"mark": str(tmp_path / "mark")}, ray=True, workers=2, **settings)
    assert checksums(shaken) == checksums(calm)


def wrong(view):
    return np.full(len(view.frames), 99)


def test_what_an_actor_cannot_do_is_said_by_the_driver(make):
    with pytest.raises(ActionError, match="gave a wrong answer: action 99"):
        make("data", policy="tests.rollout.test_ray:wrong", ray=True, workers=2)
