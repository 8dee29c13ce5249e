"""A tensor state is a value: rows are independent copies, and only its own bytes bring it back."""

import pytest
import torch

from wmenv.errors import SnapshotError, StateConsumedError
from wmenv.worlds.tensor_state import MAGIC, TensorState


def two_rows() -> TensorState:
    return TensorState("toy", {"frames": torch.arange(12.0).reshape(2, 2, 3), "seed": torch.tensor([7, 9])})


def same(a: TensorState, b: TensorState) -> bool:
    return a.tensors.keys() == b.tensors.keys() and all(torch.equal(a.tensors[n], b.tensors[n]) for n in a.tensors)


def test_a_fork_does_not_share_memory_with_its_parent():
    state = two_rows()
    fork = state.fork()
    state.tensors["frames"].zero_()
    assert same(fork, two_rows())


def test_concat_is_the_inverse_of_selecting_rows():
    state = two_rows()
    assert same(TensorState.concat([state.select([0]), state.select([1])]), state)


def test_put_replaces_rows_and_consumes_both():
    state, other = two_rows(), two_rows().select([0])
    after = state.put([1], other)
    assert after.tensors["seed"].tolist() == [7, 7]
    for used in (state, other):
        with pytest.raises(StateConsumedError):
            used.select([0])


def test_rows_of_other_weights_are_refused_and_nothing_is_consumed():
    state, stranger = two_rows(), TensorState("toy of other weights", two_rows().tensors)
    for mix in (lambda: state.put([0, 1], stranger), lambda: TensorState.concat([state, stranger])):
        with pytest.raises(SnapshotError, match=r"'toy of other weights' .* among rows of 'toy'"):
            mix()
    assert same(state, two_rows())
    state.check_live(), stranger.check_live()


def test_put_writes_buffers_that_were_made_in_inference_mode():
    with torch.inference_mode():
        state = TensorState("toy", {"seed": torch.tensor([7, 9])})
    assert state.put([0], TensorState("toy", {"seed": torch.tensor([1])})).tensors["seed"].tolist() == [1, 9]


def test_bytes_bring_the_same_tensors_back():
    state = two_rows()
    assert same(TensorState.from_bytes(state.to_bytes(), "toy"), state)


def test_bytes_of_another_world_are_refused_by_name():
    with pytest.raises(SnapshotError, match="belongs to world 'toy', not to 'other'"):
        TensorState.from_bytes(two_rows().to_bytes(), "other")


@pytest.mark.parametrize("cut", [0, 5, len(MAGIC), len(MAGIC) + 3, len(MAGIC) + 9, -1])
def test_truncated_bytes_are_refused(cut):
    with pytest.raises(SnapshotError):
        TensorState.from_bytes(two_rows().to_bytes()[:cut], "toy")


def test_every_flipped_byte_is_noticed():
    whole = two_rows().to_bytes()
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 0x40
        with pytest.raises(SnapshotError):
            TensorState.from_bytes(bytes(flipped), "toy")
