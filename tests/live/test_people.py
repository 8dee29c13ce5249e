"""People and what waits for them: roles, comings and goings, and pages that read slowly."""

from __future__ import annotations

import asyncio

import pytest

from wmenv.errors import OptionError
from wmenv.live.people import MOST_WAITING, Outbox, People


def people(*keys: str, grace_s: float = 60.0) -> tuple[People, list]:
    group = People(grace_s)
    return group, [group.join(key, Outbox()) for key in keys]


def roles(group: People) -> dict:
    return {role: holder and holder.key for role, holder in group.roles.items()}


def test_the_first_may_do_everything_and_others_look_on():
    group, _ = people("anna", "ben")
    assert roles(group) == {"move": "anna", "direct": "anna"}


def test_a_role_is_handed_over_by_whoever_has_it():
    group, (anna, ben) = people("anna", "ben")
    with pytest.raises(OptionError, match="visitor 1 directs here"):
        group.give(ben, "direct", ben.id)
    group.give(anna, "direct", ben.id)
    assert roles(group) == {"move": "anna", "direct": "ben"}


def test_a_role_whose_holder_is_away_may_be_taken():
    group, (anna, ben) = people("anna", "ben")
    group.leave(anna, anna.outbox)
    group.give(ben, "move", ben.id)
    assert roles(group)["move"] == "ben"


def test_who_comes_back_in_time_is_who_they_were():
    group, (anna, _) = people("anna", "ben")
    group.leave(anna, anna.outbox)
    assert not group.forget()
    assert group.join("anna", Outbox()) is anna
    assert roles(group) == {"move": "anna", "direct": "anna"}


def test_who_stays_away_is_forgotten_and_their_roles_are_free():
    group, (anna, _) = people("anna", "ben", grace_s=-1.0)
    group.leave(anna, anna.outbox)
    assert group.forget()
    assert roles(group) == {"move": None, "direct": None}


def test_an_old_page_does_not_take_the_new_one_away():
    group, (anna,) = people("anna")
    old = anna.outbox
    group.join("anna", Outbox())
    group.leave(anna, old)
    assert anna.here
    assert asyncio.run(old.next())["kind"] == "ended"


def test_a_slow_page_gets_the_newest_picture_with_all_its_presses():
    async def read() -> list:
        outbox = Outbox()
        for number in range(5):
            outbox.show("frame", lambda acts, number=number: bytes([number, *acts]), [number + 10])
        outbox.show("look", lambda acts: b"look")
        outbox.say({"kind": "note"})
        return [await outbox.next() for _ in range(3)]

    assert asyncio.run(read()) == [{"kind": "note"}, bytes([4, 10, 11, 12, 13, 14]), b"look"]


def test_words_that_nobody_reads_are_bounded():
    outbox = Outbox()
    for number in range(MOST_WAITING + 50):
        outbox.say({"kind": "note", "text": str(number)})
    assert outbox.overfull
    assert len(outbox._words) == MOST_WAITING
