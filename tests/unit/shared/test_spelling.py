"""A slip is told from another word."""

import pytest

from outlast.spelling import nearest

KNOWN = ["temperature", "top_p", "stop", "seed", "max_tokens"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("temprature", "temperature"),  # one too few
        ("temperatures", "temperature"),  # one too many
        ("tmperatuer", "temperature"),  # two slips in a long name
        ("sede", "seed"),  # neighbours in each other's place
        ("seek", "seed"),  # one wrong
        ("max_token", "max_tokens"),
    ],
)
def test_slips(name: str, meant: str) -> None:
    """Whatever slip it is, the name that was meant is found."""
    assert nearest(name, KNOWN) == meant


@pytest.mark.parametrize("name", ["", "user", "seat", "top_k_p", "temporal", "seed"])
def test_other_words(name: str) -> None:
    """A word that differs by more, or not at all, is no slip."""
    assert nearest(name, KNOWN) is None


def test_the_nearest_of_several() -> None:
    """Of several names it is the nearest one, and of equally near ones always the same."""
    assert nearest("temperatures", ["temperature_s", "temperature", "temperatured"]) == (
        "temperature"
    )
    assert nearest("stap", ["stop", "step"]) == nearest("stap", ["step", "stop"]) == "step"
