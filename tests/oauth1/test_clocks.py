"""What is remembered of other people's clocks."""

from __future__ import annotations

import pytest

from valetkey.oauth1.clocks import MAX_HOSTS, ClockOffsets


def test_an_offset_counts_for_its_host_alone_until_it_is_forgotten() -> None:
    clocks = ClockOffsets()

    clocks.learn("one.example", -90)
    assert (clocks.of("one.example"), clocks.of("two.example")) == (-90, 0)

    clocks.forget("two.example")
    clocks.forget("one.example")
    assert clocks.of("one.example") == 0


@pytest.mark.parametrize(("offset", "learned"), [(86_400, 86_400), (-86_400, -86_400), (86_401, 7), (-86_401, 7)])
def test_an_offset_beyond_a_day_is_not_believed(offset: int, learned: int) -> None:
    clocks = ClockOffsets()
    clocks.learn("one.example", 7)

    clocks.learn("one.example", offset)

    assert clocks.of("one.example") == learned


def test_the_oldest_host_is_forgotten_first_and_a_known_one_takes_no_place() -> None:
    clocks = ClockOffsets()
    for number in range(MAX_HOSTS):
        clocks.learn(f"{number}.example", number + 1)

    clocks.learn("1.example", 5)
    assert clocks.of("0.example") == 1

    clocks.learn("new.example", 9)
    assert [clocks.of(f"{name}.example") for name in (0, 1, 2, "new")] == [0, 5, 3, 9]
    assert repr(clocks) == f"ClockOffsets({MAX_HOSTS} hosts)"


def test_what_was_learned_is_no_part_of_what_a_registration_is() -> None:
    one, other = ClockOffsets(), ClockOffsets()
    one.learn("one.example", 60)

    assert one == other
    assert hash(one) == hash(other)
    assert one != {}
