"""Finds the name that somebody meant."""

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a name is most likely a slip of, if there is one.

    A slip is one letter too many, too few, wrong or in its neighbour's place; in a name of eight
    letters or more there may be two. One or two letters may be anything.
    """
    allowed = 0 if len(name) < 3 else 1 if len(name) < 8 else 2
    slips = {each: _slips(name, each) for each in known if abs(len(name) - len(each)) <= allowed}
    best = min(slips, key=lambda each: (slips[each], each), default=None)
    return best if best is not None and 0 < slips[best] <= allowed else None


def _slips(left: str, right: str) -> int:
    """Count the slips between two texts (optimal string alignment distance)."""
    before, last = [], list(range(len(right) + 1))
    for row, letter in enumerate(left, start=1):
        current = [row]
        for column, other in enumerate(right, start=1):
            best = min(
                last[column] + 1, current[column - 1] + 1, last[column - 1] + (letter != other)
            )
            swapped = (
                row > 1 and column > 1 and (letter, left[row - 2]) == (right[column - 2], other)
            )
            current.append(min(best, before[column - 2] + 1) if swapped else best)
        before, last = last, current
    return last[-1]
