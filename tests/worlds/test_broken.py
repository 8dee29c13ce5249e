"""Every fault does what its name says, does nothing else, and leaves a world that still keeps the contract."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from wmenv.contract import Direction, Start, pack_arrays, unpack_arrays
from wmenv.episodes import Episode
from wmenv.errors import OptionError, SnapshotError, UnsupportedError
from wmenv.testing import check_world
from wmenv.worlds.broken import FAULTS, BrokenWorld
from wmenv.worlds.broken.picture import blur, pixelate, turn_hue
from wmenv.worlds.broken.world import MAGIC
from wmenv.worlds.pan import PanWorld
from wmenv.worlds.replay import ReplayWorld
from wmenv.worlds.source import gridrooms

LEFT, RIGHT, UP, DOWN, NOOP = range(5)
WANDER = [RIGHT, RIGHT, DOWN, LEFT, UP, RIGHT, NOOP, DOWN, DOWN, RIGHT, LEFT, UP]
SOON = {  # strengths with which a fault shows within a few steps
    "lag": {"steps": 2},
    "ping_pong": {"length": 3},
    "reverts_every": {"steps": 2},
    "reverts_once": {"at": 3},
    "forgets_unseen": {"away": 1},
    "edit_vanishes": {"steps": 2},
    "blur_drift": {"per_step": 0.5},
    "pixelate_drift": {"every": 1},
    "hue_drift": {"per_step": 20},
    "stalls": {"every": 3, "ms": 1},
    "nan_frames": {"at": 2},
}
BREAKS = {"nan_frames": {"steps_fit_the_spec"}}  # the clauses that a fault cannot but break


def film(world, actions, seed=3, wish=None, start=None):
    """The outcomes of one row, first frame included; the wish comes with the first action."""
    state, outcome = world.open([start or Start()], [seed])
    outcomes = [outcome]
    for action in actions:
        state, outcome = world.advance(state, np.array([action]), [Direction(wish) if wish else None])
        outcomes.append(outcome)
        wish = None
    return outcomes


def frames(*args, **kwargs):
    return np.stack([outcome.frames[0] for outcome in film(*args, **kwargs)])


def far(one, other):
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_world_keeps_the_clauses_that_its_fault_does_not_break(fault):
    report = check_world(BrokenWorld(PanWorld(beacon=True), fault, **SOON.get(fault, {})), steps=6)
    assert {finding.clause for finding in report.broken} == BREAKS.get(fault, set()), str(report)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_real_environment_can_be_broken_too(fault):
    report = check_world(BrokenWorld(gridrooms("reach"), fault, **SOON.get(fault, {})), steps=4)
    assert {finding.clause for finding in report.broken} == BREAKS.get(fault, set()), str(report)


@pytest.mark.parametrize("fault", ["frozen", "lag", "ping_pong", "reverts_every", "hue_drift", "noisy", "nan_frames"])
def test_worlds_that_make_several_frames_per_step_can_be_broken(fault):
    spec = PanWorld().spec.with_(frames_per_step=2, pose=None)
    recorded = Episode(frames(PanWorld(), WANDER), np.zeros(6, np.int64), spec)
    report = check_world(BrokenWorld(ReplayWorld(recorded), fault, **SOON.get(fault, {})), steps=4)
    assert report.ok, str(report)


class TorchPan(PanWorld):
    """A pan world whose outcomes are tensors, as those of learned worlds are."""

    def __init__(self):
        super().__init__()
        self.spec = self.spec.with_(output="torch")

    def _show(self, *args):
        outcome = super()._show(*args)
        return replace(outcome, frames=torch.from_numpy(outcome.frames), pose=torch.from_numpy(outcome.pose))


@pytest.mark.parametrize("fault", ["frozen", "ping_pong", "forgets_unseen", "forgets_edits", "noisy", "nan_frames"])
def test_worlds_that_speak_torch_can_be_broken(fault):
    assert check_world(TorchPan(), steps=4).ok
    report = check_world(BrokenWorld(TorchPan(), fault, **SOON.get(fault, {})), steps=4)
    assert {finding.clause for finding in report.broken} == BREAKS.get(fault, set()), str(report)


# --- control ----------------------------------------------------------------------------------------------------------


def test_frozen():
    outcomes = film(BrokenWorld(PanWorld(), "frozen"), WANDER)
    assert all((outcome.frames == outcomes[0].frames).all() for outcome in outcomes)
    assert outcomes[-1].pose[0].any()  # the world goes on behind it


def test_ignores_actions():
    shown = frames(BrokenWorld(PanWorld(dynamic=9), "ignores_actions"), WANDER)
    assert (shown == frames(PanWorld(dynamic=9), [NOOP] * len(WANDER))).all()


def test_random_walk():
    world = BrokenWorld(PanWorld(), "random_walk")
    shown = frames(world, WANDER)
    assert (shown == frames(world, [NOOP] * len(WANDER))).all()
    assert len({frame.tobytes() for frame in shown}) > 4
    assert (shown[1:] != frames(world, WANDER, seed=4)[1:]).any()


def test_lag():
    shown, sound = frames(BrokenWorld(PanWorld(), "lag", steps=3), WANDER), frames(PanWorld(), WANDER)
    assert (shown[3:] == sound[:-3]).all()
    assert (shown[:3] == sound[0]).all()


def test_ping_pong():
    world = BrokenWorld(PanWorld(), "ping_pong", length=5)
    shown = frames(world, [NOOP] * 20)
    assert (shown[:6] == shown[10:4:-1]).all()
    assert (shown[:10] == shown[10:20]).all()
    assert far(shown[0], shown[5]) > 0
    assert (shown == frames(world, [RIGHT] * 20)).all()


# --- memory -----------------------------------------------------------------------------------------------------------


def test_reverts_every():
    shown = frames(BrokenWorld(PanWorld(), "reverts_every", steps=5), WANDER)
    sound, again = frames(PanWorld(), WANDER), frames(PanWorld(), WANDER[5:])
    assert (shown[:5] == sound[:5]).all()
    assert (shown[5:10] == again[:5]).all()
    assert (shown[10] == sound[0]).all()


def test_reverts_once():
    shown = frames(BrokenWorld(PanWorld(), "reverts_once", at=5), WANDER)
    assert (shown[:5] == frames(PanWorld(), WANDER)[:5]).all()
    assert (shown[5:] == frames(PanWorld(), WANDER[5:])).all()


def test_rows_revert_each_at_its_own_time():
    world = BrokenWorld(PanWorld(), "reverts_every", steps=3)
    old, _ = world.open([Start()], [0])
    old, _ = world.advance(old, np.array([RIGHT]), [None])
    new, first = world.open([Start()], [1])
    state = type(old).concat([old, new])
    reverted = []
    for _ in range(4):
        state, outcome = world.advance(state, np.array([RIGHT, RIGHT]), [None, None])
        reverted.append(bool((outcome.frames[1] == first.frames[0]).all()))
    assert reverted == [False, False, True, False]


def test_forgets_unseen():
    world = BrokenWorld(PanWorld(), "forgets_unseen", away=16)
    short = frames(world, [RIGHT] * 15 + [LEFT] * 15)
    assert (short[-1] == short[0]).all()
    loops = frames(world, ([RIGHT] * 16 + [LEFT] * 16) * 4)
    places = loops[::32]
    assert min(far(a, b) for k, a in enumerate(places[:3]) for b in places[k + 1 : 4]) > 10


def test_a_dream_is_of_the_same_kind_of_place_and_has_no_pose():
    world = BrokenWorld(PanWorld(), "forgets_unseen", away=1)
    assert world.spec.pose is None
    means = {
        template: frames(world, [RIGHT] * 3, start=Start(template=template)).mean(axis=(1, 2, 3))
        for template in ("meadow", "ice")
    }
    assert means["meadow"].max() < means["ice"].min()


# --- directions -------------------------------------------------------------------------------------------------------

WISH = "a purple square appears ahead"


def test_forgets_edits():
    world = BrokenWorld(PanWorld(), "forgets_edits")
    stay, tour = [NOOP] * 30, [RIGHT] * 20 + [LEFT] * 20
    assert (frames(world, stay, wish=WISH) == frames(PanWorld(), stay, wish=WISH)).all()
    shown = frames(world, tour, wish=WISH)
    assert far(shown[1], frames(PanWorld(), tour)[1]) > 0
    assert (shown[-1] == frames(PanWorld(), tour)[-1]).all()
    assert (shown[-1] != frames(PanWorld(), tour, wish=WISH)[-1]).any()


def test_edit_vanishes():
    world, stay = BrokenWorld(PanWorld(), "edit_vanishes", steps=5), [NOOP] * 9
    shown, with_it, without = (
        frames(world, stay, wish=WISH),
        frames(PanWorld(), stay, wish=WISH),
        frames(PanWorld(), stay),
    )
    assert (shown[:6] == with_it[:6]).all()
    assert (shown[6:] == without[6:]).all()


def test_a_forgotten_edit_can_be_made_again():
    world = BrokenWorld(PanWorld(), "edit_vanishes", steps=3)
    state, first = world.open([Start()], [0])
    seen = []
    for step in range(10):
        wish = Direction(WISH) if step in (0, 6) else None
        state, outcome = world.advance(state, np.array([NOOP]), [wish])
        seen.append(bool((outcome.frames != first.frames).any()))
    assert seen == [True, True, True, False, False, False, True, True, True, False]


def test_ignores_directions_and_says_it_did_not():
    outcomes = film(BrokenWorld(PanWorld(), "ignores_directions"), WANDER, wish=WISH)
    assert outcomes[1].receipts[0].applied
    assert (np.stack([outcome.frames[0] for outcome in outcomes]) == frames(PanWorld(), WANDER)).all()


def test_tints():
    world, stay = BrokenWorld(PanWorld(), "tints"), [NOOP] * 5
    sound, shown = frames(PanWorld(), stay), frames(world, stay, wish=WISH)
    assert (shown[0] == sound[0]).all()
    assert (shown[1] != sound[1]).any(axis=-1).mean() > 0.95
    assert (shown[1:] == shown[1]).all()
    assert far(shown[1], frames(world, stay, wish="night falls")[1]) > 5
    assert (frames(world, stay) == sound).all()


# --- pictures ---------------------------------------------------------------------------------------------------------


def sharpness(frame):
    return float(np.abs(np.diff(frame.astype(int), axis=1)).mean())


def test_always_blurred():
    shown, sound = frames(BrokenWorld(PanWorld(), "always_blurred"), WANDER), frames(PanWorld(), WANDER)
    assert all(sharpness(a) < sharpness(b) / 3 for a, b in zip(shown, sound, strict=True))
    assert shown.mean() == pytest.approx(sound.mean(), abs=1)


def test_blur_drift():
    shown = frames(BrokenWorld(PanWorld(), "blur_drift", per_step=0.2, most=1), [NOOP] * 8)
    sharp = [sharpness(frame) for frame in shown]
    assert (shown[0] == frames(PanWorld(), [])[0]).all()
    assert sharp[0] > sharp[2] > sharp[4]
    assert sharp[5] == sharp[8]


def test_pixelate_drift():
    shown = frames(BrokenWorld(PanWorld(), "pixelate_drift", every=2, most=3), [NOOP] * 8)
    sound = frames(PanWorld(), [NOOP])[0]
    assert (shown[:2] == sound).all()
    assert (shown[2:4] == pixelate(sound, 2)).all()
    assert (shown[4:] == pixelate(sound, 3)).all()


def test_hue_drift():
    shown = frames(BrokenWorld(PanWorld(), "hue_drift", per_step=60, most=120), [NOOP] * 4)
    sound = shown[0].astype(int)
    assert far(shown[1], sound) > 5
    assert far(shown[2], sound[..., [2, 0, 1]]) < 2  # a third of the wheel: red is where green was
    assert (shown[2:] == shown[2]).all()


def test_noisy():
    shown, sound = frames(BrokenWorld(PanWorld(), "noisy", sigma=5), WANDER), frames(PanWorld(), WANDER)
    inside = (sound > 30) & (sound < 225)
    assert np.std((shown.astype(int) - sound)[inside]) == pytest.approx(5, rel=0.05)


def test_the_filters_do_what_they_are_called():
    dot = np.zeros((9, 9, 3), np.uint8)
    dot[4, 4] = 250
    spread = blur(dot, 1.0)
    assert spread[4, 4, 0] == pytest.approx(250 / (2 * np.pi), rel=0.05)
    assert spread[4, 3, 0] == spread[3, 4, 0] == spread[5, 4, 0]
    assert (blur(dot, 0.0) == dot).all()
    assert pixelate(dot, 5)[:5, :5].max() == pixelate(dot, 5)[:5, :5].min() == 10
    grey = np.full((2, 2, 3), 77, np.uint8)
    assert (turn_hue(grey, 33.0) == grey).all()


# --- delivery ---------------------------------------------------------------------------------------------------------


def test_stalls(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    world = BrokenWorld(PanWorld(), "stalls", every=3, ms=60)
    state, _ = world.open([Start()], [0])
    after = []
    for _ in range(6):
        state, _ = world.advance(state, np.array([NOOP]), [None])
        after.append(len(slept))
    assert after == [0, 0, 1, 1, 1, 2]
    assert slept == [0.06, 0.06]


def test_nan_frames():
    outcomes = film(BrokenWorld(PanWorld(beacon=True), "nan_frames", at=3), [NOOP] * 5)
    assert [bool(outcome.frames.any()) for outcome in outcomes] == [True] * 3 + [False] * 3
    assert [bool(np.isnan(outcome.reward[0])) for outcome in outcomes] == [False] * 3 + [True] * 3
    assert np.isnan(outcomes[-1].pose).all()


def test_never_rewards():
    def walk_to_the_beacon(world):
        state, _ = world.open([Start()], [0])
        y, x = PanWorld(beacon=True).open([Start()], [0])[0].arrays["beacon"][0]
        for action in [RIGHT if x > 0 else LEFT] * abs(x) + [DOWN if y > 0 else UP] * abs(y):
            state, outcome = world.advance(state, np.array([action]), [None])
        return outcome

    sound, broken = (
        walk_to_the_beacon(w) for w in (PanWorld(beacon=True), BrokenWorld(PanWorld(beacon=True), "never_rewards"))
    )
    assert (sound.reward[0], broken.reward[0]) == (1, 0)
    assert broken.terminated[0]


# --- what can go wrong in planting ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "strength", "hint"),
    [
        ("frosen", {}, "Did you mean 'frozen'"),
        ("lag", {"step": 3}, "Did you mean 'steps'"),
        ("lag", {"steps": 0}, "above 0"),
        ("noisy", {"sigma": float("nan")}, "above 0"),
    ],
)
def test_faults_that_cannot_be_are_refused_with_advice(fault, strength, hint):
    with pytest.raises(OptionError, match=hint):
        BrokenWorld(PanWorld(), fault, **strength)


@pytest.mark.parametrize(
    ("fault", "hint"), [("never_rewards", "reward"), ("tints", "directions"), ("forgets_unseen", "pans")]
)
def test_a_fault_that_would_be_none_in_this_world_is_refused(fault, hint):
    recorded = Episode(frames(PanWorld(), WANDER), np.array(WANDER), PanWorld().spec)
    with pytest.raises(UnsupportedError, match=hint):
        BrokenWorld(ReplayWorld(recorded), fault)


def test_what_the_sound_world_refuses_leaves_the_state_as_it_was():
    recorded = Episode(frames(PanWorld(), WANDER), np.array(WANDER), PanWorld().spec)
    world = BrokenWorld(ReplayWorld(recorded), "lag", steps=1)
    state, _ = world.open([Start()], [0])
    with pytest.raises(UnsupportedError):
        world.advance(state, np.array([NOOP]), [Direction("night falls")])
    shown = []
    for _ in range(3):
        state, outcome = world.advance(state, np.array([NOOP]), [None])
        shown.append(outcome.frames[0])
    assert (np.stack(shown) == recorded.frames[:3]).all()


def test_a_state_of_another_fault_is_refused():
    data = BrokenWorld(PanWorld(), "lag").open([Start()], [0])[0].to_bytes()
    with pytest.raises(SnapshotError, match=r"pan\+lag"):
        BrokenWorld(PanWorld(), "frozen").revive(data)


def test_rows_of_another_world_behind_the_fault_are_refused_and_nothing_is_consumed():
    states = [BrokenWorld(PanWorld(noise=noise), "reverts_every").open([Start()] * 2, [1, 2])[0] for noise in (0, 4)]
    for mix in (lambda: states[0].put([0, 1], states[1]), lambda: type(states[0]).concat(states)):
        with pytest.raises(SnapshotError, match="'pan noise=4 "):
            mix()
    assert [len(state.fork()) for state in states] == [2, 2]


def test_a_state_of_another_strength_is_refused():
    slow, slower = (BrokenWorld(PanWorld(), "lag", steps=steps) for steps in (3, 5))
    with pytest.raises(SnapshotError, match="belongs to world"):
        slower.revive(slow.open([Start()], [0])[0].to_bytes())


def test_a_state_of_which_a_part_is_missing_is_refused():
    world = BrokenWorld(PanWorld(), "lag")
    arrays, meta = unpack_arrays(world.open([Start()], [0])[0].to_bytes()[len(MAGIC) :])
    for changed in ({"state:now": None}, {"own:waiting": np.zeros((2, 5))}):
        wrong = {name: array for name, array in (arrays | changed).items() if array is not None}
        with pytest.raises(SnapshotError, match="missing, or has other rows"):
            world.revive(MAGIC + pack_arrays(wrong, meta))


def test_a_broken_world_can_be_broken_again():
    twice = BrokenWorld(BrokenWorld(PanWorld(), "lag", steps=2), "hue_drift", per_step=30)
    assert twice.spec.name == "pan+lag+hue_drift"
    assert check_world(twice, steps=4).ok
