"""Which names `model_options` may have."""

import pytest

from outlast.model_options import KNOWN, RESERVED, correct_options


@pytest.mark.parametrize(
    "name",
    ["temperature", "reasoning_effort", "thinking", "top_k", "response_format", "extra_body"],
)
def test_known(name: str) -> None:
    """Options of OpenAI's format and of single providers are taken."""
    assert correct_options([name]) is None


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("temprature", "no option is called 'temprature'; did you mean 'temperature'?"),
        ("max_token", "no option is called 'max_token'; did you mean 'max_tokens'?"),
        ("resoning_effort", "no option is called 'resoning_effort'; did you mean"),
        ("brand_new", 'if your provider takes it, write {"extra_body": {"brand_new": …}}'),
        ("x", "if your provider takes it, write"),
    ],
)
def test_unknown(name: str, advice: str) -> None:
    """A slip is told with the name that was meant, and another name with where it may stand."""
    said = correct_options(["seed", name])
    assert said is not None
    assert advice in said


def test_no_name_is_both() -> None:
    """What the worker sets is no option that an agent may have."""
    assert set() == KNOWN & RESERVED
