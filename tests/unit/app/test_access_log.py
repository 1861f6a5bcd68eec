"""The log of requests: one line each, and nothing that is not for everybody."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes.front import RUN_ID, Client, Connect
from outlast.registry import Registry
from outlast_app.access_log import AccessLog
from outlast_app.keyring import hash_of_key

Lines = Sequence[Mapping[str, Any]]


@pytest.fixture
def lines(client: Client) -> Iterator[Lines]:
    with capture_logs() as logs:
        yield logs


def the_one_in(lines: Lines) -> dict[str, Any]:
    """Return the only line of a request, without its time, which is a number."""
    [line] = [dict(line) for line in lines if line["event"] == "request_ended"]
    assert line.pop("duration_ms") >= 0
    return line


async def test_a_request(client: Client, lines: Lines) -> None:
    """A line says what was asked for, for whom, and how it was answered."""
    await client.get("/agents/support")
    assert the_one_in(lines) == {
        "event": "request_ended",
        "log_level": "info",
        "method": "GET",
        "route": "/agents/{agent}",
        "status": 200,
        "tenant": "default",
    }


async def test_a_key(connect: Connect) -> None:
    """Where there are keys, a line says which one it was, by its name, also if it lacks a right."""
    keys = [{"name": "desk", "sha256": hash_of_key("hidden"), "rights": ["read"]}]
    async with connect(keys={"acme": keys}) as client:
        for method, status in (("GET", 200), ("POST", 403)):
            path = "/agents" if method == "GET" else f"/runs/{RUN_ID}/cancel"
            with capture_logs() as logs:
                await client.request(method, path, headers={"Authorization": "Bearer hidden"})
            line = the_one_in(logs)
            assert (line["tenant"], line["key"], line["status"]) == ("acme", "desk", status)


async def test_the_run(client: Client, lines: Lines) -> None:
    """It names the run that a request is about."""
    await client.post(f"/runs/{RUN_ID}/cancel")
    line = the_one_in(lines)
    assert (line["route"], line["status"]) == ("/runs/{run_id}/cancel", 503)
    assert line["run_id"] == RUN_ID


async def test_a_start(client: Client, lines: Lines) -> None:
    """It names the run that a request would have started."""
    await client.post("/agents/support/runs", json={"input": "Hi."})
    assert the_one_in(lines)["run_id"].startswith("support.")


@pytest.mark.parametrize("path", ["/runs/{}", "/runs/{}/events", "/nothing/{}", "/threads/{}"])
async def test_what_is_not_told(connect: Connect, path: str) -> None:
    """No path, query, header or body comes into the log, whatever they hold."""
    headers = {"Authorization": "Bearer hidden", "Idempotency-Key": "hidden"}
    async with connect(keys={"acme": ["hidden"]}) as client:
        with capture_logs() as logs:
            await client.request(
                "POST", path.format("hidden"), params={"q": "hidden"}, json={}, headers=headers
            )
            await client.get(path.format("hidden"), headers=headers)
            await client.get(path.format("hidden"), headers={"Authorization": "Bearer hidden2"})
    assert len([line for line in logs if line["event"] == "request_ended"]) == 3
    assert "hidden" not in str(logs)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes(client: Client, lines: Lines, path: str) -> None:
    """What comes every few seconds is only told to those who ask for it."""
    await client.get(path)
    line = the_one_in(lines)
    assert (line["route"], line["log_level"]) == (path, "debug")


async def test_an_unknown_address(client: Client, lines: Lines) -> None:
    """An address that is not there has no name."""
    await client.get("/nothing/here")
    line = the_one_in(lines)
    assert (line["route"], line["status"]) == (None, 404)


async def test_a_bug(client: Client, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is answered further out; the line tells of it nevertheless."""
    monkeypatch.setattr(Registry, "describe", None)
    await client.get("/agents")
    assert the_one_in(lines)["status"] == 500


async def test_a_stream() -> None:
    """A stream has its line when it ends, also when the client goes away in the middle."""

    async def stream(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(60)

    started = asyncio.Event()
    receive: Any = None

    async def send(_message: Any) -> None:
        started.set()

    scope = {"type": "http", "method": "GET"}
    with capture_logs() as logs:
        served = asyncio.create_task(AccessLog(stream)(scope, receive, send))
        await started.wait()
        assert logs == []
        served.cancel()
        await asyncio.wait([served])
    assert the_one_in(logs)["status"] == 200
