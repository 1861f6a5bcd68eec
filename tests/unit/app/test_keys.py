"""Without a key nobody learns anything."""

import pytest

from fakes.front import CALLS, LISTINGS, Connect, problem


async def test_keys(connect: Connect) -> None:
    """With keys set, every call but health needs one; the tenant's agents are the same."""
    async with connect(keys={"acme": ["secret-1"]}) as client:
        response = await client.get("/agents")
        problem(response, 401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"
        assert "secret-1" not in response.text
        good = {"Authorization": "Bearer secret-1"}
        assert (await client.get("/agents", headers=good)).status_code == 200
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(("method", "path"), [*CALLS, *(("GET", path) for path in LISTINGS)])
async def test_calls_without_a_key(connect: Connect, method: str, path: str) -> None:
    """No call tells a stranger anything, not even whether its body was valid."""
    async with connect(keys={"acme": ["secret-1"]}) as client:
        for body in ({"input": "Hi."}, {}):
            problem(await client.request(method, path, json=body), 401, "unauthorized")


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 5000, b"x" * 2000])
async def test_bodies_without_a_key(connect: Connect, content: bytes) -> None:
    """A stranger's body is not even read."""
    headers = {"content-type": "application/json"}
    async with connect(keys={"acme": ["secret-1"]}, max_body_bytes=1000) as client:
        response = await client.post("/agents/support/runs", content=content, headers=headers)
        problem(response, 401, "unauthorized")


async def test_every_route_but_health_is_keyed(connect: Connect) -> None:
    """A new route can't forget to ask for the key before it reads the body."""
    async with connect(keys={"acme": ["secret-1"]}) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        asked = [(path, method) for path, methods in paths.items() for method in methods]
        for path, method in asked:
            response = await client.request(
                method, path, content=b"{", headers={"content-type": "application/json"}
            )
            open_to_all = path in {"/healthz", "/readyz"}
            assert (response.status_code != 401) == open_to_all, (method, path)
