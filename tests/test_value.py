"""Values: frozen, equal by content, the same whether made by hand or by the compiled `__init__`."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from valetkey.value import BY_HAND, FrozenValueError, replace, value


@value
class Point:
    x: int
    y: int = 2

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x")


@value
class Named(Point):
    name: str = ""


def test_every_instance_is_the_same_however_it_was_made() -> None:
    for _ in range(BY_HAND + 3):
        assert Point(1) == Point(x=1) == Point(1, 2) == Point(1, y=2) == replace(Point(9), x=1)
        assert Named(1, 2, "a") == Named(name="a", x=1)
        with pytest.raises(ValueError, match="x"):
            Point(-1)


@pytest.mark.parametrize("attempt", range(BY_HAND + 2))
def test_what_does_not_fit_is_a_type_error_from_the_first_instance_on(attempt: int) -> None:
    @value
    class Fresh:
        x: int
        y: int = 2

    for _ in range(attempt):
        Fresh(1)
    misfits: list[Any] = [Fresh, lambda: Fresh(1, 2, 3), lambda: Fresh(1, x=1), lambda: Fresh(1, z=1)]  # type: ignore[call-arg,misc]
    for wrong in misfits:
        with pytest.raises(TypeError):
            wrong()
    assert Fresh(1).y == 2


def test_a_value_is_frozen_hashable_and_copied() -> None:
    point = Point(1)

    with pytest.raises(FrozenValueError, match="replace"):
        point.x = 2  # type: ignore[misc]
    assert {point: 1}[Point(1)] == 1
    assert copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point
    assert point != Named(1)
    assert repr(point) == "Point(x=1, y=2)"
