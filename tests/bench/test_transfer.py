"""The studies of policies: what is compared is like with like, runs are kept, and the sums are right."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from wmenv.bench import learners
from wmenv.bench import transfer as study_module
from wmenv.bench.demonstrations import HELD_OUT, begun_at, demonstrate
from wmenv.bench.learners import Learning, chances_of, clone, learner, train
from wmenv.bench.pick import picks
from wmenv.bench.ranking import RankingSpec, names_of, rank
from wmenv.bench.transfer import TransferSpec, read_task, run_path, study, summary
from wmenv.bench.tries import real_starts, same_starts, tried
from wmenv.cli import app
from wmenv.contract import Start
from wmenv.errors import CheckpointError, OptionError, UnsupportedError
from wmenv.metrics.iqm import iqm, stratified
from wmenv.metrics.ranking import mmrv, ranking_record
from wmenv.worlds.catalog import load_world

TINY = Learning(steps=64, rows=2, horizon=8, steps_per_update=16, batch=16, passes=1, keep_every=1)
SPEC = TransferSpec(
    world="gridrooms-source", tasks=("fetch",), seeds=2, learning=TINY, demonstrations=3, episodes=4, horizon=6
)


@pytest.fixture(scope="module")
def fetch():
    return load_world("gridrooms-source", task="fetch")


@pytest.fixture(scope="module")
def demonstrations(fetch):
    return demonstrate(fetch, 12)


# --- demonstrations ----------------------------------------------------------------------------------------------


def test_an_expert_shows_how_and_leaves_moments_to_begin_at(fetch, demonstrations):
    for one in demonstrations:
        assert len(one.frames) == len(one.actions)
        assert any((one.picture == frame).all() for frame in one.frames)
        outcome = fetch.open([Start(moment=one.moment)], [1])[1]
        assert (outcome.frames[0] == one.picture).all()
    first = [(one.picture == one.frames[0]).all() for one in demonstrations]
    assert any(first)
    assert not all(first)


def test_only_what_has_an_expert_can_demonstrate():
    with pytest.raises(UnsupportedError, match="only GridRooms has an expert"):
        demonstrate(load_world("pan"), 1)


def test_both_sides_begin_with_the_same_pictures(fetch, demonstrations):
    """A world that is shown the picture and the real one that lives the moment again."""
    learned = load_world("gridrooms", task="fetch")
    inside, outside = (begun_at(world, demonstrations[:4], fetch) for world in (learned, fetch))
    shown, true = (world.open([Start()] * 6, range(6))[1].frames for world in (inside, outside))
    np.testing.assert_array_equal(np.asarray(shown), true)


# --- tries ---------------------------------------------------------------------------------------------------------


def test_tries_are_the_same_whatever_runs_beside(fetch, monkeypatch):
    def chances(frames):
        return np.full((len(frames), 7), 1 / 7)

    together = tried(chances, fetch, *real_starts(6), horizon=12, task="fetch")
    monkeypatch.setattr("wmenv.bench.tries.TOGETHER", 1)
    alone = tried(chances, fetch, *real_starts(6), horizon=12, task="fetch")
    assert (together.paid == alone.paid).all()
    assert together.record()["unearned"] == together.record()["unpaid"] == 0.0


def test_a_world_that_pays_for_nothing_is_found_out(fetch):
    class Generous:
        """Pays at every step."""

        spec = fetch.spec

        def open(self, starts, seeds):
            return fetch.open(starts, seeds)

        def advance(self, state, actions, directions):
            state, outcome = fetch.advance(state, actions, directions)
            return state, replace(outcome, reward=np.ones(len(actions), np.float32))

    def idle(frames):
        return np.tile(np.eye(7)[6], (len(frames), 1))

    found = tried(idle, Generous(), *real_starts(3), horizon=3, task="fetch").record()
    assert (found["success"], found["confirmed"], found["unearned"]) == (1.0, 0.0, 1.0)


def test_a_world_is_tried_from_what_the_real_one_shows_first(fetch):
    learned = load_world("gridrooms", task="fetch")
    starts, seeds = same_starts(learned, fetch, 9)
    frames = fetch.open(*real_starts(9))[1].frames
    assert all((start.picture == frame).all() for start, frame in zip(starts, frames, strict=True))
    assert same_starts(fetch, fetch, 9) == real_starts(9)
    assert seeds == real_starts(9)[1]


def test_picks_follow_the_chances():
    rngs = [np.random.default_rng(seed) for seed in range(4000)]
    drawn = picks(np.tile([0.2, 0.0, 0.5, 0.3], (4000, 1)), rngs)
    assert np.bincount(drawn, minlength=4) / 4000 == pytest.approx([0.2, 0.0, 0.5, 0.3], abs=0.03)


# --- learning ------------------------------------------------------------------------------------------------------


def test_training_goes_on_from_where_it_was_stopped(fetch, tmp_path):
    path = tmp_path / "model.zip"
    short = replace(TINY, steps=32)
    model, seconds = train(fetch, short, seed=1, path=path)
    assert model.num_timesteps == 32
    again, longer = train(fetch, TINY, seed=1, path=path)
    assert again.num_timesteps == 64
    assert longer > seconds > 0
    done, same = train(fetch, TINY, seed=1, path=path)
    assert same == pytest.approx(longer, abs=0.1)
    for a, b in zip(again.policy.parameters(), done.policy.parameters(), strict=True):
        assert (a == b).all()


def test_runs_and_what_goes_on_meet_episodes_of_their_own(fetch, tmp_path, monkeypatch):
    first = [learner(fetch, TINY, seed=seed).get_env().reset() for seed in (0, 1)]
    assert not (first[0][1:] == first[1][:-1]).all()
    seeds, plain = [], learners.seeded

    def noted(model, seed):
        seeds.append(plain(model, seed).get_env().unwrapped._seeds[0])
        return model

    monkeypatch.setattr(learners, "seeded", noted)
    for steps in (32, 64):
        train(fetch, replace(TINY, steps=steps), seed=3, path=tmp_path / "model.zip")
    assert seeds == [3 * 1_000_003, 3 * 1_000_003 + 32]


def test_cloning_teaches_what_was_shown(fetch, demonstrations):
    def agreement(model):
        chances = chances_of(model)
        return np.mean([chances(one.frames)[range(len(one.actions)), one.actions].mean() for one in demonstrations])

    before = agreement(learner(fetch, TINY, seed=0))
    after = agreement(clone(learner(fetch, TINY, seed=0), demonstrations, seed=0, passes=30))
    assert before < 0.25
    assert after > 0.6


# --- the study -----------------------------------------------------------------------------------------------------


def test_a_study_is_stopped_and_goes_on_and_is_not_done_twice(tmp_path, monkeypatch):
    nothing = study(SPEC, tmp_path, minutes=0)
    assert (nothing["runs"], nothing["min_ratio"], nothing["complete"]) == (0, None, False)
    told = []
    found = study(SPEC, tmp_path, say=told.append)
    assert len(told) == found["runs"] == 8
    assert found["complete"]
    assert {"name", "real", "world", "ratio"} <= found["tasks"][0].keys()
    monkeypatch.setattr(study_module, "one_run", None)  # anything that is run again fails
    assert json.dumps(study(SPEC, tmp_path), default=list) == json.dumps(found, default=list)


def test_what_a_result_depends_on_is_in_its_name(tmp_path):
    def name(arm, **changes):
        return run_path(replace(SPEC, **changes), tmp_path, "fetch", arm, 0).name

    assert name("real", seeds=5, tasks=("reach",)) == name("real")
    assert name("real", learning=replace(TINY, steps=65)) != name("real")
    assert name("real", world="gridrooms") == name("real")
    assert name("world", world="gridrooms") != name("world")
    assert name("world", world="gridrooms") != name("world", world="gridrooms", settings={"passes": 3})


def test_a_task_may_be_tried_near_its_end(tmp_path):
    assert read_task("unlock@8") == ("unlock", 8)
    with pytest.raises(OptionError, match="unlock@8"):
        read_task("unlock@soon")
    spec = replace(SPEC, tasks=("unlock@1",), horizon=1, episodes=12)
    record = study_module.one_run(spec, tmp_path / "run.json", "unlock@1", "cloned", 0)
    held_out = demonstrate(load_world("gridrooms-source", task="unlock"), 12, 1, HELD_OUT)
    assert record["real"]["episodes"] == 12
    assert all((one.picture == one.frames[-1]).all() for one in held_out)
    toggle = tried(
        lambda frames: np.tile(np.eye(7)[5], (len(frames), 1)),
        load_world("gridrooms-source", task="unlock"),
        [Start(moment=one.moment) for one in held_out],
        range(12),
        horizon=1,
        task="unlock",
    )
    assert toggle.success > 0.9  # one step before its end, the task is that step


def run_of(arm, seed, success, **more):
    return {"task": "fetch", "arm": arm, "seed": seed, "seconds": 1.0, "real": {"success": success}, **more}


def test_the_sums_are_interquartile_means_ratios_and_gaps():
    real = [0.1, 0.6, 0.6, 0.6, 0.9]
    world = [0.3, 0.5, 0.5, 0.5, 0.5]
    records = [run_of("real", seed, value) for seed, value in enumerate(real)]
    records += [
        run_of("world", seed, value, world={"success": 0.7, "unearned": 0.1}) for seed, value in enumerate(world)
    ]
    records += [run_of("random", seed, 0.1) for seed in range(5)]
    (line,) = summary(SPEC, records)["tasks"]
    assert (line["real"], line["world"]) == pytest.approx((0.6, 0.5))
    assert line["ratio"] == pytest.approx(0.5 / 0.6)
    assert line["ratio_ci"][0] < line["ratio"] < line["ratio_ci"][1]
    assert line["ratio_above_random"] == pytest.approx(0.4 / 0.5)
    assert line["exploitation_gap"] == pytest.approx(0.7 - np.mean(world))
    assert line["unearned"] == pytest.approx(0.1)
    assert line["cloned"] is None


def test_iqm_and_its_interval():
    assert iqm(np.array([1.0, 2.0, 3.0, 100.0])) == 2.5
    found = stratified([np.full(5, 2.0), np.full(5, 4.0)], lambda strata: strata[0].mean() / strata[1].mean())
    assert found == (0.5, 0.5, 0.5)


# --- ranking -------------------------------------------------------------------------------------------------------


def test_worst_wrong_preferences():
    real = np.array([0.1, 0.4, 0.8])
    assert mmrv(real, real * 0.3 + 0.2) == 0
    assert mmrv(real, np.array([0.1, 0.8, 0.4])) == pytest.approx((0 + 0.4 + 0.4) / 3)


def test_a_record_tells_order_from_chance():
    rng = np.random.default_rng(0)
    skill = np.linspace(0.05, 0.9, 12)
    real, alike = (rng.random((12, 400)) < skill[:, None] for _ in range(2))
    other = rng.random((12, 400)) < rng.permutation(skill)[:, None]
    good, bad = (ranking_record(real, shown, draws=200) for shown in (alike, other))
    assert good["pearson_r"] > 0.97
    assert good["pearson_r_lo"] > 0.9
    assert good["p_value"] < 0.01
    assert good["kendall_tau_b"] > 0.85
    assert bad["pearson_r"] < good["null_pearson_r_p95"] + 0.2
    assert bad["mmrv"] > good["mmrv"]
    assert (good["policies"], good["enough"]) == (12, True)


def test_policies_are_tried_once_on_both_sides_and_ranked(tmp_path):
    spec = RankingSpec(world="gridrooms-source", clones=((9, 0.0), (9, 0.5)), passes=20, episodes=48, horizon=24)
    assert names_of(spec) == ["idle", "random", "clone-9-stray-0.5", "clone-9-stray-0"]
    told = []
    found = rank(spec, tmp_path, say=told.append)
    assert (found["policies"], found["complete"], found["unearned"], found["enough"]) == (4, True, 0.0, False)
    assert (found["pearson_r"], found["kendall_tau_b"], found["mmrv"]) == (1.0, 1.0, 0.0)  # the real one beside itself
    assert rank(spec, tmp_path, minutes=0, say=told.append) == found
    assert len(told) == 4
    assert rank(replace(spec, trained=("no.zip",)), tmp_path, minutes=0)["complete"] is False
    with pytest.raises(CheckpointError, match=r"no\.zip"):
        rank(replace(spec, trained=("no.zip",)), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["transfer", "ranking"])
def test_the_commands_rehearse_in_the_learned_world(command, tmp_path):
    run = CliRunner().invoke(app, ["bench", command, "--quick", "--out", str(tmp_path)])
    assert run.exit_code == 0, run.output
    (found,) = json.loads((tmp_path / f"{command}.json").read_text())
    assert found["complete"]
    keys = {"transfer": {"tasks", "min_ratio"}, "ranking": {"pearson_r", "pearson_r_lo", "kendall_tau_b", "mmrv"}}
    assert keys[command] <= found.keys()
