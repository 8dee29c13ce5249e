"""What was seen at a place is found there again, the newest sight wins, and a square of places wraps without lying."""

import torch

from wmenv.models.place import age_bucket, empty_places, recall, remember

NEVER, SIDE = 99, 64


def nowhere():
    return empty_places(1, SIDE, (), torch.int64, NEVER)


def write(memory, place, tile, step, shows=True):
    args = torch.tensor([[place]]).float(), torch.tensor([[tile]]), torch.tensor([[shows]]), torch.tensor([step])
    remember(memory, *args)


def read(memory, place, step):
    tile, age = recall(memory, torch.tensor([[place]]).float(), torch.tensor([step]), NEVER)
    return int(tile), int(age)


def test_newest_sight_wins_and_what_does_not_show_a_place_is_not_written():
    memory = nowhere()
    assert read(memory, (3, -5), 1) == (NEVER, 0)
    write(memory, (3, -5), 7, step=1)
    write(memory, (3, -5), 8, step=4)
    write(memory, (3, -5), 9, step=5, shows=False)
    assert read(memory, (3, -5), 6)[0] == 8


def test_ages_fall_into_their_buckets():
    assert age_bucket(torch.tensor([0, 1, 2, 3, 4, 5, 300])).tolist() == [0, 1, 2, 3, 3, 4, 7]


def test_places_a_whole_square_apart_are_never_taken_for_each_other():
    memory = nowhere()
    write(memory, (2, 2), 7, step=1)
    assert read(memory, (2 + SIDE, 2), 2) == (NEVER, 0)
    write(memory, (2 + SIDE, 2), 5, step=2)
    assert read(memory, (2 + SIDE, 2), 3)[0] == 5
    assert read(memory, (2, 2), 3) == (NEVER, 0)
