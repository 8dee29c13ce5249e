"""Whatever happens to a rollout, what was finished stays, and what is missing is made once."""

from __future__ import annotations

import random
import subprocess
import sys
import threading

import pytest

from tests.fakes import CountingWorld
from tests.rollout.conftest import COUNTING
from tests.rollout.kills import ROOT, finish_despite_kills
from wmenv.errors import LogError, OptionError, RolloutError, UnknownWorldError, WmenvError
from wmenv.rollout.dataset import Dataset, differences
from wmenv.rollout.files import locked
from wmenv.rollout.run import rollout
from wmenv.rollout.shards import open_reader

SLOW = {"seconds": 0.003}  # per step, so that there is a middle to be killed in


def checksums(data):
    return [shard["sha256"] for shard in data.manifest["shards"]]


def killed_and_calm(make, tmp_path, kills, episodes, workers):
    settings = {"episodes": episodes, "shard_episodes": 3, "max_steps": 10, "batch": 4, "world_settings": SLOW}
    calm = make("calm", **settings)
    chance = random.Random(kills)
    out = tmp_path / "killed"
    starts = finish_despite_kills(kills, chance, out, world=COUNTING, policy="random", workers=workers, **settings)
    return calm, Dataset(out), starts


@pytest.mark.parametrize("workers", [1, 2])
def test_a_data_set_survives_kills(make, tmp_path, workers):
    calm, killed, starts = killed_and_calm(make, tmp_path, 3, 60, workers)
    assert starts >= 2
    assert checksums(killed) == checksums(calm)
    assert not differences(killed, calm)
    leftovers = [path.name for path in (tmp_path / "killed" / "shards").iterdir() if path.name.startswith(".")]
    assert not leftovers


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_data_set_survives_twenty_kills(make, tmp_path):
    calm, killed, _ = killed_and_calm(make, tmp_path, 20, 240, 2)
    assert checksums(killed) == checksums(calm)
    assert not differences(killed, calm)


def test_a_finished_rollout_is_left_as_it_is(make, tmp_path):
    make("data")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data" / "shards").iterdir()}
    again = make("data", resume=True)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data" / "shards").iterdir()} == before
    assert again.complete


def test_resuming_needs_no_more_than_the_folder(make, tmp_path):
    whole = make("data")
    (tmp_path / "data" / "shards" / "shard-000001.json").unlink()
    assert not Dataset(tmp_path / "data").complete
    again = rollout(out=tmp_path / "data", resume=True, report=False, progress=False)
    assert checksums(again) == checksums(whole)


def test_a_rollout_can_grow(make):
    make("grown", episodes=7)
    grown = make("grown", episodes=12, resume=True)
    assert checksums(grown) == checksums(make("at once", episodes=12))


@pytest.mark.parametrize("spoil", ["flip", "cut", "remove", "receipt"])
def test_a_damaged_shard_is_found_named_and_made_again(make, tmp_path, spoil):
    whole = make("data")
    path = tmp_path / "data" / "shards" / "shard-000002.npz"
    data = path.read_bytes()
    if spoil == "flip":
        path.write_bytes(data[:900] + bytes([data[900] ^ 1]) + data[901:])
    elif spoil == "cut":
        path.write_bytes(data[:-1])
    elif spoil == "remove":
        path.unlink()
    else:
        path.with_suffix(".json").write_text("{")
    assert list(Dataset(tmp_path / "data").damaged()) == ["shard-000002.npz"]
    with pytest.warns(RuntimeWarning, match=r"shard-000002.npz is damaged: .* Its episodes 6 to 8 are made again"):
        mended = make("data", resume=True)
    assert path.read_bytes() == data
    assert checksums(mended) == checksums(whole)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 3}, "seed was 0, now 3"),
        ({"policy": "idle"}, "policy was 'random', now 'idle'"),
        ({"shard_episodes": 4}, "shard_episodes was 3, now 4"),
        ({"episodes": 5}, "can grow, not shrink"),
        ({"world_settings": {"goal": 5}}, "world_settings was {}"),
    ],
)
def test_another_plan_is_refused_and_touches_nothing(make, change, said):
    before = checksums(make("data"))
    with pytest.raises(RolloutError, match=said):
        make("data", resume=True, **change)
    assert checksums(make("data", resume=True)) == before


def test_a_world_that_was_given_as_an_object_has_to_be_given_again(make, tmp_path):
    make("data", world=CountingWorld(goal=4), episodes=3)
    with pytest.raises(UnknownWorldError, match=r"counting \(object\)"):
        rollout(out=tmp_path / "data", episodes=6, resume=True, report=False, progress=False)
    assert rollout(
        CountingWorld(goal=4), out=tmp_path / "data", episodes=6, resume=True, report=False, progress=False
    ).complete


def test_a_folder_in_use_is_not_written_over(make, tmp_path):
    make("data")
    with pytest.raises(RolloutError, match="already holds a rollout of 12 episodes"):
        make("data")
    with locked(tmp_path / "data"), pytest.raises(RolloutError, match="another rollout is writing"):
        make("data", resume=True)


def test_an_empty_folder_has_nothing_to_go_on_with(tmp_path):
    with pytest.raises(OptionError, match="say which world"):
        rollout(out=tmp_path, resume=True)


# --- the disk -------------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LogError, match=r"cannot write .*file/data"):
        rollout(COUNTING, out=tmp_path / "file" / "data", progress=False)


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
import wmenv
wmenv.rollout(out=sys.argv[1], resume=True, report=False, progress=False, workers=int(sys.argv[3]))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_a_clear_error_and_loses_nothing_finished(make, tmp_path, workers):
    """The system refuses to let files grow, as a full disk does, while most of the data set is still to be made."""
    whole = make("data", world="pan", episodes=4, shard_episodes=1)
    shards = tmp_path / "data" / "shards"
    kept = (shards / "shard-000000.npz").read_bytes()
    for lost in (1, 2, 3):
        (shards / f"shard-{lost:06d}.json").unlink()
    limit = (tmp_path / "data" / "manifest.json").stat().st_size + 1000
    assert limit < len(kept), "the shard must be what does not fit"
    told = [sys.executable, "-c", FULL, str(tmp_path / "data"), str(limit), str(workers)]
    done = subprocess.run(told, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "cannot write" in done.stderr
    assert "go on with --resume" in done.stderr
    assert (shards / "shard-000000.npz").read_bytes() == kept
    assert not list(shards.glob(".*.tmp"))
    assert checksums(rollout(out=tmp_path / "data", resume=True, report=False, progress=False)) == checksums(whole)


def test_readers_see_whole_shards_while_a_rollout_runs(make, tmp_path):
    running = threading.Thread(target=make, args=("data",), kwargs={"episodes": 60, "world_settings": SLOW})
    running.start()
    seen = 0
    while running.is_alive():
        for path in (tmp_path / "data" / "shards").glob("shard-*.npz"):
            assert len(open_reader(path).numbers) == 3
            seen += 1
    running.join()
    assert seen
    assert Dataset(tmp_path / "data").complete


@pytest.mark.parametrize("slip", [{"world": "pann"}, {"policy": "wandr"}])
def test_a_slip_of_the_pen_leaves_the_folder_free(tmp_path, slip):
    plan = {"world": "pan", "policy": "wander", "episodes": 2, "max_steps": 3, "progress": False, "report": False}
    with pytest.raises(WmenvError, match="Did you mean"):
        rollout(out=tmp_path, **plan | slip)
    assert rollout(out=tmp_path, **plan).complete
