"""How long to wait before something is tried again."""

import random

_MOST_DOUBLINGS = 30  # a float has an end


def backoff_s(failures: int, shortest_s: float, longest_s: float) -> float:
    """Return a time that doubles with each failure, up to the longest.

    It is made shorter by up to a half, by chance, so that not all who failed together try again
    together.
    """
    delay_s = min(shortest_s * 2 ** min(failures, _MOST_DOUBLINGS), longest_s)
    return delay_s * random.uniform(0.5, 1)  # noqa: S311  # not a secret
