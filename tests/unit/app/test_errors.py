"""Every error is a problem document, and tells nobody what is not theirs."""

import pytest
from structlog.testing import capture_logs

from fakes.front import Client, problem
from outlast.errors import Problem, problem_types
from outlast.registry import Registry


def test_problem_types() -> None:
    """Each problem has a name of its own, and a status that fits who must act."""
    kinds = problem_types()
    assert len({kind.slug for kind in kinds}) == len(kinds)
    for kind in kinds:
        caller = "CallerProblem" in [base.__name__ for base in kind.__mro__]
        assert kind.status in (range(400, 500) if caller else range(500, 600))
        assert issubclass(kind, Problem)
        assert kind.slug == kind.slug.lower()


async def test_unknown_address(client: Client) -> None:
    """An address that is not there is a problem document too."""
    problem(await client.get("/nothing/here"), 404, "not-found")


async def test_no_redirects(client: Client) -> None:
    """An address with a slash too many is none: a redirect would go where the caller says."""
    problem(await client.get("/runs/"), 404, "not-found")


async def test_wrong_method(client: Client) -> None:
    """A method that does not fit says which ones do."""
    response = await client.delete("/agents")
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET, OPTIONS"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/runs", "GET, OPTIONS"),
        ("/threads/t", "DELETE, GET, OPTIONS, PATCH"),  # each a route of its own
        ("/agents/support/runs", "OPTIONS, POST"),
    ],
)
async def test_methods(client: Client, path: str, methods: str) -> None:
    """All methods of an address are told to whoever asks, and to whoever takes another one."""
    asked = await client.options(path)
    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, methods, b"")
    wrong = await client.put(path)
    problem(wrong, 405, "method-not-allowed")
    assert wrong.headers["allow"] == methods
    problem(await client.options("/nothing/here"), 404, "not-found")


async def test_a_bug(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is a 500 that tells clients nothing of its inside."""

    def fail(*_: object) -> None:
        raise RuntimeError("secret-1")

    monkeypatch.setattr(Registry, "describe", fail)
    with capture_logs() as logs:
        response = await client.get("/agents")
    [told] = [line for line in logs if line["event"] == "request_failed"]
    assert told["route"] == "/agents"
    problem(response, 500, "internal")
    assert "secret-1" not in response.text
