"""Places in a stream, as numbers that rise."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast_app.facades.items import HELD_BACK_CHARS
from outlast_app.facades.positions import MAX_CHARS, Mark, Numbers, RunningCheck, check_of

_INT32 = 2**31 - 1


def number_of(turn: int, text: str) -> int:
    """Return the number of a text that came in two pieces."""
    check = RunningCheck()
    check.add(text[:2])
    check.add(text[2:])
    return Numbers.live(turn, check.chars, check.check)


@given(st.text("ab é🙂", min_size=HELD_BACK_CHARS + 1, max_size=100), st.integers(1, 1000))
def test_numbers(text: str, turn: int) -> None:
    """They rise within a turn, over a retraction, too, and fit 31 bits."""
    first = text[:-HELD_BACK_CHARS]
    numbers = [
        Numbers.settled(turn - 1, 1000),
        Numbers.opening(turn, 0),
        Numbers.opening(turn, 1),
        number_of(turn, first),
        Numbers.retracting(turn, len(first), 0),
        Numbers.retracting(turn, len(first), 1),
        number_of(turn, text),
        Numbers.retracting(turn, MAX_CHARS, 1),
        Numbers.settled(turn, 0),
        Numbers.settled(turn, 1),
        Numbers.opening(turn + 1, 0),
    ]
    assert all(a < b for a, b in pairwise(numbers))
    assert numbers[-1] <= _INT32
    assert Numbers.read(number_of(turn, text)) == Mark(turn, len(text), check_of(text))


@pytest.mark.parametrize("number", [0, 1, Numbers.settled(0, 3), Numbers.settled(5, 0)])
def test_numbers_of_what_is_committed(number: int) -> None:
    """They say nothing of live text."""
    assert Numbers.read(number) is None
