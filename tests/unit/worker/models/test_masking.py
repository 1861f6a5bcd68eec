"""No secret shows in what a provider says."""

import time

import pytest

from outlast_worker.models.masking import mask
from outlast_worker.settings import Provider

PROVIDERS = {
    "openai": Provider.model_validate(
        {
            "headers": {"x-team": "header-1", "authorization": "Bearer token-of-team"},
            "keys": [{"name": "a", "key": "sk-1"}, {"name": "b", "key": "sk-12"}],
        }
    )
}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("key sk-1!", "key ***!"),
        ("one key begins with another: sk-12", "one key begins with another: ***"),
        ("header-1 and token-of-team", "*** and ***"),
        ("half \ud83d", "half \ufffd"),
        ("x" * 501, "x" * 500),
    ],
)
def test_mask(said: str, shown: str) -> None:
    """Keys and headers are masked whole, wherever they stand, before the text is cut."""
    assert mask(said, PROVIDERS) == shown


@pytest.mark.parametrize("name", ["ANY_API_KEY", "WATSONX_APIKEY", "HF_TOKEN", "DB_PASSWORD"])
def test_variables(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is what a variable of the environment holds that is called as secrets are."""
    monkeypatch.setenv(name, "hidden-value")
    assert mask("it is hidden-value", {}) == "it is ***"


def test_a_line_break_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret is known without the white space around it, as it is sent."""
    monkeypatch.setenv("ANY_API_KEY", "hidden-value\n")
    assert mask("it is hidden-value!", {}) == "it is ***!"


@pytest.mark.parametrize("piece", ["/9j/4AAQSkZJRg", "/a", "\n", "Traceback "])
def test_much_of_it(piece: str) -> None:
    """What a provider quotes, an image say, takes no time to speak of."""
    began_s = time.process_time()
    assert len(mask(piece * (256 * 1024 // len(piece)), {})) <= 500
    assert time.process_time() - began_s < 1


def test_a_secret_far_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret at which a long text is cut shows no part of itself."""
    monkeypatch.setenv("ANY_API_KEY", "hidden-value")
    assert "hid" not in mask("hidden-value" * 10_000, {})


def test_a_short_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short value of such a variable may be any word, and stays."""
    monkeypatch.setenv("ANY_API_KEY", "none")
    assert mask("none is there", {}) == "none is there"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Bad.\nTraceback (most recent call last):\n  File", "Bad."),
        ("Bad. Traceback (most recent call last): File", "Bad."),
        ("in /usr/lib/python3/litellm/main.py, line 3", "in main.py, line 3"),
        (r"in C:\Python 3\main.py", "in main.py"),
        ("POST /v1/chat/completions", "POST /v1/chat/completions"),
    ],
)
def test_the_worker_itself(said: str, shown: str) -> None:
    """Nobody sees where the worker's files are, nor a traceback, at whatever white space."""
    assert mask(said, {}) == shown
