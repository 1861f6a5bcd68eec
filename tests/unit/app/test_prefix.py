"""A prefix that a proxy puts before the app's paths."""

from typing import Any

import httpx
import pytest

from fakes.front import Connect, problem, saying, spoken
from outlast_app.facades.mounting import FACADES
from outlast_app.settings import OWN_ADDRESSES, AppSettings

HEADER = "X-Forwarded-Prefix"
ACCEPTED = spoken(202, b'{"invocationId": "inv_1", "status": "Accepted"}')


async def _located(connect: Connect, path: str, told: list[str], **settings: Any) -> httpx.Response:
    headers = [("Prefer", "respond-async"), *((HEADER, each) for each in told)]
    with saying(ACCEPTED) as ingress:
        async with connect(ingress=ingress, **settings) as client:
            return await client.post(path, json={"input": "Hi."}, headers=headers)


@pytest.mark.parametrize(
    ("root_path", "told", "path"),
    [
        ("/outlast", [], "/agents/support/runs"),  # the proxy takes it off
        ("/outlast", [], "/outlast/agents/support/runs"),  # it leaves it on
        ("/outlast/", [], "/outlast/agents/support/runs"),
        ("", ["/outlast"], "/agents/support/runs"),
        ("/another", ["/outlast/"], "/agents/support/runs"),
    ],
)
async def test_location(connect: Connect, root_path: str, told: list[str], path: str) -> None:
    """Clients get addresses with the prefix, whoever says which one it is."""
    response = await _located(connect, path, told, root_path=root_path)
    assert response.status_code == 202
    run_id = response.json()["run_id"]
    assert response.headers["location"] == f"/outlast/runs/{run_id}"


@pytest.mark.parametrize(
    ("told", "settings"),
    [
        ([], {}),
        (["//evil.example"], {}),
        (["/a b"], {}),
        (["outlast"], {}),
        (["/a", "/b"], {}),
        (["/a, /b"], {}),
        (["/outlast"], {"trusted_proxies": "10.0.0.0/8"}),
    ],
)
async def test_no_prefix(connect: Connect, told: list[str], settings: dict[str, Any]) -> None:
    """What is no prefix, and what no trusted proxy says, counts for nothing."""
    response = await _located(connect, "/agents/support/runs", told, **settings)
    assert response.headers["location"].startswith("/runs/")


async def test_prefix_like_an_address(connect: Connect) -> None:
    """A proxy that says what it took off is believed also where a path of ours begins so."""
    response = await _located(connect, "/agents/support/runs", ["/agents"])
    assert response.headers["location"].startswith("/agents/runs/")


async def test_problems_that_name_a_run(connect: Connect) -> None:
    """The address of a run that may have been accepted has the prefix, too."""
    with saying(b"nonsense\r\n\r\n") as ingress:
        async with connect(ingress=ingress, root_path="/outlast") as client:
            headers = {"Prefer": "respond-async"}
            response = await client.post(
                "/agents/support/runs", json={"input": "Hi."}, headers=headers
            )
    document = problem(response, 503, "restate-unavailable")
    assert response.headers["location"] == f"/outlast/runs/{document['run_id']}"


async def test_documentation(connect: Connect) -> None:
    """The documentation finds its document, and that its server, under the prefix."""
    async with connect(root_path="/outlast") as client:
        assert "'/outlast/openapi.json'" in (await client.get("/outlast/docs")).text
        document = (await client.get("/outlast/openapi.json")).json()
        assert document["servers"] == [{"url": "/outlast"}]
        assert "/runs" in document["paths"]


async def test_probes(connect: Connect) -> None:
    """Probes come by any host, without the prefix, as with it; so are methods told."""
    async with connect(root_path="/outlast") as client:
        for path in ("/healthz", "/outlast/healthz"):
            response = await client.get(path, headers={"Host": "10.1.2.3"})
            assert response.status_code == 200
            assert (await client.options(path)).headers["allow"] == "GET, HEAD, OPTIONS"
        problem(await client.get("/outlastly/healthz"), 404, "not-found")


@pytest.mark.parametrize("prefix", ["outlast", "/a b", "//x", "/a?b", "/runs", "/agents/x"])
def test_invalid_setting(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """A prefix that can't be told from an address of the app's own is refused."""
    monkeypatch.setenv("AGENTS", "desk")
    with pytest.raises(ValueError, match="must"):
        AppSettings(root_path=prefix)


async def test_own_addresses(connect: Connect) -> None:
    """The settings know with what the app's paths begin."""
    async with connect() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert {path.split("/")[1] for path in paths} <= OWN_ADDRESSES
        mounted = {facade.prefix.strip("/") for facade in FACADES.values()}
        assert mounted <= OWN_ADDRESSES
        for page in OWN_ADDRESSES - mounted - {path.split("/")[1] for path in paths}:
            assert (await client.get(f"/{page}")).status_code == 200
