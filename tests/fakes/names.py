"""Names for parametrized tests."""

import re


def named(value: object) -> str:
    """Write a value without addresses: the name is the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))
