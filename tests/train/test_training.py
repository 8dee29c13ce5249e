"""From the source to a world: recordings are whole, memory in the data is true, a resumed run is the run."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from tests.models.conftest import make_stream
from wmenv.errors import CheckpointError, ConfigError, OptionError, UnknownWorldError
from wmenv.models.checkpoint import load_stream
from wmenv.sources.gridrooms.places import place_of_view
from wmenv.sources.gridrooms.record import record_episode
from wmenv.sources.gridrooms.sounds import soundtrack
from wmenv.sources.gridrooms.tiles import CATALOGUE
from wmenv.train import collect as collecting
from wmenv.train import export as exporting
from wmenv.train.asked import ObjectiveConfig
from wmenv.train.collect import Source, _write_facts, collect, read_facts, shard_path
from wmenv.train.data import TYPED, Around, Episodes
from wmenv.train.export import export
from wmenv.train.hiding import hide
from wmenv.train.loop import TrainConfig, train
from wmenv.train.objective import passage_of, two_hot
from wmenv.train.odds import set_odds
from wmenv.train.palette import palette_of
from wmenv.train.quality.report import held_out
from wmenv.train.traits import folded
from wmenv.train.weighing import weigh
from wmenv.worlds.learned import LearnedWorld


def tiny(data, out, **changes):
    model = {"channels": 32, "depth": 2, "heads": 2, "hidden": 48}
    plain = {"compile": False, "bf16": False, "batch": 4, "time": 4, "tell_steps": 1, "threads": 1}
    return TrainConfig.model_validate(
        {"data": str(data), "out": str(out), "model": model, "steps": 6, **plain, **changes}
    )


def test_an_episode_follows_from_its_number():
    one, two = record_episode(5), record_episode(5)
    assert (one.tiles == two.tiles).all()
    assert one.typed == two.typed


def test_collecting_again_writes_nothing_new(data, monkeypatch):
    monkeypatch.setattr(collecting, "SHARD", 6)
    before = shard_path(data, 1).stat().st_mtime_ns
    assert collect(Source("gridrooms"), data, 12, workers=1)["written"] == 0
    assert shard_path(data, 1).stat().st_mtime_ns == before


def test_an_unknown_source_is_named(tmp_path):
    with pytest.raises(UnknownWorldError, match="gridrooms"):
        collect(Source("gridroms"), tmp_path, 6, workers=1)


def test_memory_in_the_data_is_what_was_last_seen_there(episodes):
    begin, stop = episodes.begin[1], episodes.stop[1]
    seen = {}
    for frame in range(begin, stop):
        places = map(tuple, place_of_view(episodes.pose[frame]).tolist())
        for slot, place in enumerate(places):
            assert episodes.place[frame, slot] == seen.get(place, episodes.never)
            assert (episodes.age[frame, slot] > 0) == (place in seen)
        for slot, place in enumerate(map(tuple, place_of_view(episodes.pose[frame]).tolist())):
            if CATALOGUE.shows_place[episodes.tiles[frame, slot]]:
                seen[place] = episodes.tiles[frame, slot]


def test_sound_in_a_batch_is_the_sound_of_the_episode(episodes):
    begin, stop = episodes.begin[0], episodes.stop[0]
    events = [[int(e) for e in pair if e != 255] for pair in episodes.sound[begin:stop]]
    heard = episodes.sound_at(np.arange(begin, stop)[None])[0]
    np.testing.assert_allclose(heard, soundtrack(events) / 32768, atol=1e-4)


def test_a_batch_is_a_function_of_seed_and_step(episodes):
    one, two, other = (episodes.batch(0, step, 8, 5, Around(directed=0.5)) for step in (3, 3, 4))
    assert all(torch.equal(getattr(one, name), getattr(two, name)) for name in vars(one))
    assert not torch.equal(one.tiles, other.tiles)


def test_passages_stay_inside_episodes_and_directions_where_they_were_typed(episodes):
    batch = episodes.batch(0, 1, 64, 5, Around(directed=1.0))
    assert ((batch.directed > 0).any(1)).all()
    assert batch.directed.max() <= TYPED
    assert ((batch.applied >= 0) == (batch.directed > 0)).all()
    assert (batch.words[torch.arange(64), batch.directed.amax(1)] > 0).any(1).all()
    turned = batch.motion[batch.next_action == 0]
    assert set(turned.unique().tolist()) <= {-1, 2}  # "left" always turns left, or is the last frame


def test_two_hot_is_exact_on_average():
    values = torch.tensor([-1.0, -0.33, 0.0, 0.5, 1.0])
    torch.testing.assert_close(two_hot(values, 21) @ torch.linspace(-1, 1, 21), values)


def test_a_resumed_run_ends_with_the_same_weights(data, tmp_path):
    def pull_the_plug(run, figures, episodes):
        if run.step == 4:
            raise ConnectionError

    whole = train(tiny(data, tmp_path / "whole"))
    with pytest.raises(ConnectionError):
        train(tiny(data, tmp_path / "parts", save_seconds=0), watch=pull_the_plug)
    parts = train(tiny(data, tmp_path / "parts"), resume=True)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, parts.model.state_dict()[name]), name
    log = [json.loads(line) for line in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == 6


def test_a_run_is_resumed_as_it_was_begun_and_never_overwritten(data, tmp_path):
    train(tiny(data, tmp_path, steps=2))
    with pytest.raises(CheckpointError, match="batch, seed"):
        train(tiny(data, tmp_path, steps=2, seed=1, batch=5), resume=True)
    with pytest.raises(CheckpointError, match="--resume"):
        train(tiny(data, tmp_path, steps=2))
    train(tiny(data, tmp_path, steps=2, tell_steps=2), resume=True)


def test_a_run_is_not_resumed_on_other_data(data, tmp_path):
    train(tiny(data, tmp_path, steps=1))
    state = torch.load(tmp_path / "run.pt", weights_only=True)
    torch.save(state | {"frames": 7}, tmp_path / "run.pt")
    with pytest.raises(CheckpointError, match="had 7 frames to learn from"):
        train(tiny(data, tmp_path, steps=1), resume=True)


def test_learning_makes_the_loss_fall(data, tmp_path):
    told = []
    train(tiny(data, tmp_path, steps=30, warmup=5), watch=lambda run, figures, episodes: told.append(figures["total"]))
    assert np.mean(told[-5:]) < 0.8 * np.mean(told[:5])


def test_resuming_nothing_is_an_error(data, tmp_path):
    with pytest.raises(CheckpointError, match="nothing to resume"):
        train(tiny(data, tmp_path), resume=True)


def test_a_run_may_start_from_a_checkpoint_of_its_own_config(data, tmp_path):
    train(tiny(data, tmp_path / "first", steps=2))
    start = str(tmp_path / "first" / "stream.safetensors")
    again = train(tiny(data, tmp_path / "second", start=start, steps=1, rate=0.0))
    for name, value in load_stream(tmp_path / "first" / "stream.safetensors")[0].state_dict().items():
        assert torch.equal(folded(again.model).state_dict()[name], value), name
    with pytest.raises(CheckpointError, match="depth"):
        train(tiny(data, tmp_path / "third", start=start, model={"channels": 32, "depth": 3, "heads": 2, "hidden": 48}))


def test_a_run_may_take_the_trunk_of_tiles_and_draw_in_pixels_with_other_memories(data, tmp_path):
    train(tiny(data, tmp_path / "first", steps=2))
    start = str(tmp_path / "first" / "stream.safetensors")
    small = {"channels": 32, "depth": 2, "heads": 2, "hidden": 48}
    model = small | {"pictures": "pixels", "window": 1, "bank": 2, "matrix": 8, "recall_place": False}
    again = train(tiny(data, tmp_path / "second", start=start, steps=1, rate=0.0, model=model))
    first = load_stream(tmp_path / "first" / "stream.safetensors")[0].state_dict()
    taken = [name for name in first if not name.startswith(("pictures.", "level."))]
    for name in taken:
        assert torch.equal(again.model.state_dict()[name], first[name]), name


def test_a_viewer_may_be_trained_not_to_know_that_it_moves(data, tmp_path):
    train(tiny(data, tmp_path / "run", steps=2, anchored=False))
    export(tmp_path / "run", data, tmp_path / "world.safetensors")
    assert LearnedWorld(tmp_path / "world.safetensors").spec.pose is None


def test_what_was_trained_becomes_a_world(data, tmp_path):
    train(tiny(data, tmp_path / "run", steps=2))
    digest = export(tmp_path / "run", data, tmp_path / "world.safetensors")
    assert load_stream(tmp_path / "world.safetensors")[1]["sha256"] == digest
    assert LearnedWorld(tmp_path / "world.safetensors").spec.actions.names[2] == "forward"


def test_what_is_counted_in_the_data_is_counted_when_a_world_is_made(data, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "set_odds", partial(set_odds, batches=2))
    model = {"channels": 32, "depth": 2, "heads": 2, "hidden": 48, "stands": True, "recall_met": True}
    train(tiny(data, tmp_path / "run", steps=2, model=model))
    export(tmp_path / "run", data, tmp_path / "world.safetensors")
    pictures = load_stream(tmp_path / "world.safetensors")[0].pictures
    assert not pictures.stands.all()
    assert pictures.again.abs().max() > 0


def test_a_world_is_made_of_weights_and_the_data_they_were_trained_on(data, tmp_path):
    film = tmp_path / "film"
    collect(Source("pan", {"beacon": True}, (64, 64)), film, 25, workers=1)
    train(tiny(data, tmp_path / "run", steps=1))
    with pytest.raises(CheckpointError, match=r"was not trained on .*film: .*actions"):
        export(tmp_path / "run", film, tmp_path / "world.safetensors")


@pytest.mark.parametrize(
    ("asked", "says"),
    [({"time": 10_000}, "smaller `time`"), ({"time": 2, "around": Around(directed=1.0)}, "nothing was typed")],
)
def test_what_can_never_be_drawn_is_an_error(episodes, asked, says, monkeypatch):
    monkeypatch.setattr(episodes, "_directed", [np.zeros(0, np.int64)])
    with pytest.raises(OptionError, match=says):
        episodes.batch(0, 0, 2, **asked)


def test_passages_are_drawn_round_what_lies_in_episodes_that_are_long_enough(data):
    episodes = Episodes(data, slot=16)
    longest = int((episodes.stop - episodes.begin).max())
    whole = int((episodes.stop - episodes.begin == longest).sum())
    for frames in episodes._kept_for("sights", longest):
        assert len(np.unique(episodes.episode[frames])) <= whole
    vars(episodes)["_directed"] = [episodes.begin[episodes.stop - episodes.begin < longest]]
    with pytest.raises(OptionError, match=f"nothing was typed in episodes of {longest} frames or more"):
        episodes.batch(0, 0, 2, longest, Around(directed=0.5))


def test_shares_of_a_batch_are_at_most_all_of_it(episodes):
    with pytest.raises(OptionError, match="together they are at most 1"):
        episodes.batch(0, 0, 2, 4, Around(directed=0.7, sounds=0.5))


def test_too_many_directions_for_a_passage_are_an_error(data, monkeypatch):
    episodes = Episodes(data, slot=16)
    monkeypatch.setattr("wmenv.train.data.TRIES", 20)
    episodes.typed = np.zeros_like(episodes.typed)
    with pytest.raises(OptionError, match="smaller `time`"):
        episodes.batch(0, 0, 2, 4)


@pytest.mark.parametrize("wrong", ["undrawn=0.8", "clean=-0.1"])
def test_shares_of_noise_must_leave_something_between(wrong):
    with pytest.raises(ConfigError, match="shares of the frames"):
        TrainConfig.load(None, ["objective.clean=0.2", f"objective.{wrong}"])


def test_data_of_another_palette_are_other_data(data, tmp_path):
    changed = read_facts(data) | {"sight": read_facts(data)["sight"] + 1}
    _write_facts(changed, tmp_path)
    with pytest.raises(OptionError, match="sight differ"):
        _write_facts(read_facts(data), tmp_path)


def test_weights_with_a_matrix_of_another_size_start_nothing(data, tmp_path):
    begun = tiny(data, tmp_path / "first", steps=1)
    with_matrix = begun.model_copy(update={"model": begun.model.model_copy(update={"matrix": 4})})
    train(with_matrix)
    other = begun.model_copy(
        update={
            "model": begun.model.model_copy(update={"matrix": 8}),
            "start": str(tmp_path / "first" / "stream.safetensors"),
            "out": str(tmp_path / "second"),
        }
    )
    with pytest.raises(CheckpointError, match=r"blocks\.0\.matrix.* other sizes"):
        train(other)


def test_the_last_frame_of_all_leads_nowhere(episodes, monkeypatch):
    monkeypatch.setattr(episodes, "_draw", lambda *_: len(episodes) - 2)
    assert episodes.batch(0, 0, 1, 2).motion[0, 1] == -1


def test_episodes_begin_where_a_file_does(tmp_path):
    with pytest.raises(OptionError, match="--first is 0"):
        collect(Source("gridrooms"), tmp_path, 250, first=3, workers=1)


def test_what_was_trained_on_is_not_held_out(data, episodes):
    with pytest.raises(OptionError, match="may have been trained on"):
        held_out(data, make_stream().config)


def test_first_sights_show_what_was_never_seen(episodes):
    kinds = episodes.facts["traits"][:, 0]
    for frames in filter(len, episodes._sights):
        shown = [
            set(kinds[episodes.tiles[f][(episodes.age[f] == 0) & episodes.facts["anchored"][episodes.tiles[f]]]])
            for f in frames
        ]
        assert set.intersection(*shown), "all of them show one kind anew"


def test_a_passage_drawn_for_a_sight_lies_inside_one_episode(episodes):
    starts = [episodes._draw(np.random.default_rng(n), 5, Around(sights=1.0)) for n in range(50)]
    assert all(episodes.episode[start] == episodes.episode[start + 4] for start in starts)


def test_sounds_are_made_while_standing_still(episodes):
    assert episodes._sounds
    for frames in episodes._sounds:
        assert (episodes.pose[frames] == episodes.pose[frames - 1]).all()
        assert (episodes.sound_at(frames[:, None]) != 0).any(-1).all()
    batch = episodes.batch(0, 0, 16, 3, Around(sounds=1.0))
    assert (batch.sound != 0).any(-1).any(-1).all()


def test_typed_sentences_stand_anywhere_but_whole(episodes):
    batch = episodes.batch(0, 1, 64, 5, Around(directed=1.0))
    sentences = {tuple(row[row > 0]) for row in episodes.text_words}
    starts = set()
    for words in batch.words[:, 1:].flatten(0, 1).numpy():
        said = np.flatnonzero(words)
        if len(said):
            assert tuple(words[said]) in sentences
            assert said[-1] - said[0] + 1 == len(said)
            starts.add(said[0])
    assert starts == {0, 1, 2, 3}


def test_choices_are_of_one_of_a_few_of_a_kind(episodes):
    kinds = np.append(episodes.facts["traits"][:, 0], [-1, -1])
    (frames,) = episodes._choices
    assert len(frames)
    for frame in frames:
        before, after = episodes.place[frame], episodes.tiles[frame]
        known = episodes.age[frame] > 0
        (slot,) = np.flatnonzero(known & (before != after) & episodes.facts["anchored"][after])
        assert 2 <= ((kinds[before] == kinds[before[slot]]) & known).sum() <= 4
    batch = episodes.batch(0, 0, 8, 4, Around(choices=1.0))
    assert (batch.applied == 1).any(1).all()


def test_what_was_met_is_what_was_seen_before(episodes):
    batch = episodes.batch(0, 2, 8, 4)
    assert (batch.met[:, 1:] >= batch.met[:, :-1]).all(), "nothing met is forgotten"
    recalled = batch.place < episodes.never - 1
    places = batch.place.where(recalled, 0)
    assert batch.met.gather(2, places)[recalled].all(), "what memory shows of a place was met"
    begins = episodes._met(episodes.begin[:1, None] + np.arange(2))
    assert not begins[0, 0].any()
    seen = episodes.tiles[episodes.begin[0]]
    assert set(np.flatnonzero(begins[0, 1])) == set(seen[episodes.facts["anchored"][seen]])


def test_what_memory_has_lost_was_not_met(episodes):
    batch = episodes.batch(0, 3, 8, 4)
    model = make_stream(palette=len(episodes.facts["images"]), recall_met=True)
    generator = torch.Generator().manual_seed(0)
    config = ObjectiveConfig(fade=0.9, forget=0.3)
    passage, _ = passage_of(batch, model, palette_of(model, episodes.facts), config, generator)
    met, age = passage.frame.met.view(batch.met.shape), passage.frame.age.view(batch.age.shape)
    lost = (age == 0) & (batch.age > 0)
    assert lost.any()
    assert not met.gather(2, batch.place.where(lost, 0))[lost].any()
    assert not (met & ~batch.met).any()
    assert (batch.met & ~met).any(-1).sum() < batch.met.any(-1).sum(), "the rest stays met"


def test_others_of_a_kind_with_what_changed_weigh_together_as_much(episodes):
    batch = episodes.batch(0, 0, 8, 4, Around(choices=1.0))
    model = make_stream(palette=len(episodes.facts["images"]))
    palette = palette_of(model, episodes.facts)
    changed = (batch.age > 0) & palette.changed(batch.place, batch.tiles)
    weight = weigh(palette, batch, ObjectiveConfig(changed=8.0, alike=1.0))
    assert (weight[changed] == 8).all()
    kinds = palette._kinds[batch.place]
    row, time, slot = (changed & (changed.sum(-1, keepdim=True) == 1)).nonzero().T
    others = (kinds[row, time] == kinds[row, time, slot][:, None]) & (batch.age[row, time] > 0) & ~changed[row, time]
    few = (others.sum(1) > 0) & (others.sum(1) < 8)
    assert few.any()
    shared = torch.where(others, weight[row, time], 0).sum(1)
    torch.testing.assert_close(shared[few], torch.full_like(shared[few], 8.0))
    plain = weigh(palette, batch, ObjectiveConfig())
    assert (plain[~changed] == 1).all()


def test_what_is_wrong_in_a_draft_may_be_of_any_kind(episodes):
    batch, kinds = episodes.batch(0, 0, 16, 4), torch.from_numpy(episodes.facts["traits"][:, 0]).long()
    model = make_stream(palette=len(episodes.facts["images"]))
    palette = palette_of(model, episodes.facts)
    seen = {}
    for strange in (0.0, 1.0):
        config = ObjectiveConfig(undrawn=0.0, clean=0.0, wrong=0.5, strange=strange)
        canvas = hide(model.pictures, palette, batch, config, torch.Generator().manual_seed(0)).canvas
        wrong = (canvas != batch.tiles) & (canvas != model.pictures.undrawn)
        assert wrong.float().mean() > 0.1
        seen[strange] = torch.bincount(kinds[canvas[wrong]], minlength=len(kinds.unique())) / wrong.sum()
    assert seen[1.0].min() > 0.5 / len(seen[1.0]), "each kind about as often as any other"
    assert seen[0.0].min() < 0.2 / len(seen[0.0]), "views hold hardly any doors"
