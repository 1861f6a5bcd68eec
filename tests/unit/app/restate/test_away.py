"""Without Restate, or a part of it."""

import time
from typing import Any

import pytest

from fakes.front import CALLS, LISTINGS, QUICK_S, Client, Connect, problem


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_without_restate(client: Client, method: str, path: str) -> None:
    """Without Restate each call is soon a 503 that may be tried again."""
    began = time.monotonic()
    response = await client.request(method, path, json={"input": "Hi."})
    assert time.monotonic() - began < QUICK_S
    document = problem(response, 503, "restate-unavailable")
    assert response.headers["retry-after"] == "1"
    started = path.endswith("/runs")
    assert ("nothing was started" in document["detail"]) == started
    assert ("has accepted goes on" in document["detail"]) != started


@pytest.mark.parametrize("path", LISTINGS)
async def test_listings_without_the_admin_api(client: Client, path: str) -> None:
    """Without the admin API a listing is soon a 503 that may be tried again."""
    response = await client.get(path)
    assert "can't be reached" in problem(response, 503, "admin-unavailable")["detail"]
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("path", LISTINGS)
async def test_listings_that_take_too_long(
    connect: Connect, silent: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A listing that takes too long is given up with a 503 that says so."""
    monkeypatch.setattr("outlast_app.restate.admin._LISTING_TIMEOUT_S", 0.2)
    async with connect(silent) as client:
        response = await client.get(path)
    assert "within 0.2 s" in problem(response, 503, "admin-unavailable")["detail"]
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"thread_id": "t"}, {}),
        ({"thread_id": "t", "after_s": 5}, {}),
        ({}, {"Prefer": "respond-async"}),
        ({}, {"Accept": "text/event-stream"}),
        ({}, {"Idempotency-Key": "k"}),
    ],
    ids=str,
)
async def test_starts_without_restate(
    client: Client, body: dict[str, Any], headers: dict[str, str]
) -> None:
    """However a run is started, nothing is started without Restate, and the answer says so."""
    response = await client.post(
        "/agents/support/runs", json={"input": "Hi.", **body}, headers=headers
    )
    document = problem(response, 503, "restate-unavailable")
    assert "nothing was started" in document["detail"]
    assert "location" not in response.headers
