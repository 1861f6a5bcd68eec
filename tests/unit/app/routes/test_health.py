"""Is the process up, and can it start runs?"""

import time

from fakes.front import QUICK_S, Client, Connect, problem, saying, spoken


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
    with saying(spoken(404, b"{}")) as admin, saying(spoken(200, b"{}")) as ingress:
        async with connect(admin=admin, ingress=ingress) as client:
            problem(await client.get("/readyz"), 503, "not-registered")
