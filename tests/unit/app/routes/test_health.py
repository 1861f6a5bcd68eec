"""Is the process up, and can it start runs?"""

import time

import pytest
from structlog.testing import capture_logs

from fakes.front import QUICK_S, Client, Connect, problem, saying, spoken
from outlast_app.restate import admin
from outlast_app.runs import readiness


async def test_health(client: Client) -> None:
    """The process is up, whatever else is down."""
    response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_readiness_without_restate(client: Client, nobody: str) -> None:
    """Readiness names the part that is missing, and where it was looked for."""
    began = time.monotonic()
    response = await client.get("/readyz")
    assert time.monotonic() - began < QUICK_S
    assert nobody in problem(response, 503, "restate-unavailable")["detail"]


async def test_admin_that_knows_no_service(connect: Connect) -> None:
    """The app is not ready when the admin API says that the worker is not registered."""
    whole = {"/query": spoken(200, b'{"rows": []}')}
    with saying(spoken(404, b"{}"), at=whole) as admin, saying(spoken(200, b"{}")) as ingress:
        async with connect(admin=admin, ingress=ingress) as client:
            problem(await client.get("/readyz"), 503, "not-registered")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_head(connect: Connect, path: str) -> None:
    """A load balancer may ask without wanting a body."""
    knows = spoken(200, b'{"metadata": {"outlast-digest": "d"}}')
    with saying(knows) as restate:
        async with connect(admin=restate, ingress=restate) as client:
            response = await client.head(path)
    assert (response.status_code, response.content) == (200, b"")


@pytest.fixture
def limit_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """How long /readyz may take on a busy machine, when all that it asks takes 0.1 s at most."""
    assert readiness._TIMEOUT_S < 0.8  # a probe of Kubernetes' gives up after a second
    monkeypatch.setattr(readiness, "_TIMEOUT_S", 0.1)
    monkeypatch.setattr(admin, "_TIMEOUT_S", 60)  # a call's own limit
    return 20


async def test_restate_that_hangs(connect: Connect, silent: str, limit_s: float) -> None:
    """A probe hears what is wrong before it gives up."""
    async with connect(admin=silent, ingress=silent) as client:
        began = time.monotonic()
        problem(await client.get("/readyz"), 503, "restate-unavailable")
        assert time.monotonic() - began < limit_s


async def test_admin_that_hangs(connect: Connect, silent: str, limit_s: float) -> None:
    """Without the admin API runs are started, so the app is ready, and soon says so."""
    with saying(spoken(200, b"{}")) as ingress, capture_logs() as logs:
        async with connect(admin=silent, ingress=ingress) as client:
            began = time.monotonic()
            response = await client.get("/readyz")
            assert time.monotonic() - began < limit_s
    assert response.json() == {"status": "ready", "drift": []}
    assert "registration_not_checked" in [line["event"] for line in logs]


async def test_storage_that_is_lost(connect: Connect) -> None:
    """Restate says that it is healthy when its disk is full; the app does not."""
    lost = spoken(500, b'{"message": "expecting a partition store"}')
    knows = spoken(200, b'{"metadata": {"outlast-digest": "d"}}')
    with saying(knows, at={"/query": lost}) as restate:
        async with connect(admin=restate, ingress=restate) as client:
            document = problem(await client.get("/readyz"), 503, "restate-unavailable")
    assert "its disk is full" in document["detail"]
    assert "expecting a partition store" in document["detail"]
