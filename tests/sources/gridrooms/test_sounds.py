"""Sound: named tones without clicks, and an episode's sound from its event ids alone."""

import numpy as np

from wmenv.sources.gridrooms import SOUND_BANK, GridRooms, make_policy
from wmenv.sources.gridrooms.sounds import RING, SAMPLES, SOUNDS, mix, soundtrack


def test_no_tone_clicks_inside_or_at_a_frame_border():
    for tone in SOUND_BANK.reshape(len(SOUNDS), RING * SAMPLES).astype(int):
        jumps = np.abs(np.diff(tone, prepend=0, append=0))
        borders = jumps[::SAMPLES]
        assert borders.max() <= np.delete(jumps, np.arange(0, len(jumps), SAMPLES)).max()
        assert abs(tone[0]) < 50
        assert abs(tone[-1]) < 50


def test_every_tone_is_heard_and_none_is_clipped_alone():
    peaks = np.abs(SOUND_BANK.astype(int)).max(axis=(1, 2))
    assert (peaks > 500).all()
    assert (peaks < 16000).all()


def test_the_sound_of_an_episode_follows_from_its_events():
    env, policy = GridRooms(rooms=4), make_policy("weird", np.random.default_rng(0))
    env.reset(seed=0)
    events, heard = [], []
    for _ in range(1000):
        env.step(policy(env))
        events.append(env.sound_events())
        heard.append(env.sound())
    assert (soundtrack(events) == np.stack(heard)).all()
    assert {SOUNDS[event] for step in events for event in step} >= {"turn", "step", "bump", "door", "pickup", "drop"}


def test_loud_moments_are_clipped_not_wrapped():
    step = [SOUNDS.index("bump")] * 12
    assert np.abs(mix([step, step, step]).astype(int)).max() >= 32767


def test_what_is_done_is_what_is_heard(begin_where):
    env = begin_where("a red ball appears ahead")
    heard = []
    for action in ("forward", "pickup", "drop", "right", "stay"):
        env.step(env.world_spec.actions.index(action))
        heard.append([SOUNDS[event] for event in env.sound_events()])
    assert heard == [["bump"], ["pickup"], ["drop"], ["turn"], []]


def test_success_is_heard(begin_where):
    env = begin_where("a red ball appears ahead", "fetch")
    env.step(3)
    assert [SOUNDS[event] for event in env.sound_events()] == ["pickup", "success"]


def test_a_new_episode_begins_in_silence():
    env = GridRooms()
    env.reset(seed=0)
    env.step(0)
    env.reset()
    assert not env.sound().any()
