"""One key can't have all of an app process."""

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest

from fakes.front import RUN_ID, Client, Connect, problem
from outlast.errors import KeyLimit
from outlast_app.keyring import Caller, hash_of_key
from outlast_app.quotas import Quotas
from outlast_app.rights import ALL_RIGHTS
from outlast_app.runs.follow import RunEvents

DESK = Caller("acme", "desk", ALL_RIGHTS)
OTHERS = [Caller("acme", "shop", ALL_RIGHTS), Caller("globex", "desk", ALL_RIGHTS)]
EVENTS = f"/runs/{RUN_ID}/events"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_starts_within_a_minute() -> None:
    """So many may be started in any minute; `Retry-After` says when the next one may be."""
    clock = Clock()
    quotas = Quotas(2, None, clock)
    quotas.count_start(DESK)
    clock.now += 20.5
    quotas.count_start(DESK)
    for _ in range(3):  # what is refused does not count
        with pytest.raises(KeyLimit, match="The key desk may start 2 runs a minute") as raised:
            quotas.count_start(DESK)
        assert raised.value.headers == {"Retry-After": "40"}
    for other in OTHERS:
        quotas.count_start(other)
    clock.now += 39.5
    quotas.count_start(DESK)
    with pytest.raises(KeyLimit) as raised:
        quotas.count_start(DESK)
    assert raised.value.headers == {"Retry-After": "21"}


def test_open_streams() -> None:
    """So many may be open at once, however they end."""
    quotas = Quotas(None, 2)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(quotas.stream(DESK))
        with pytest.raises(KeyLimit, match="The key desk may have 2 streams"), quotas.stream(DESK):
            pass
        for other in OTHERS:
            held.enter_context(quotas.stream(other))
    for _ in range(5):
        with pytest.raises(ZeroDivisionError), quotas.stream(DESK):
            raise ZeroDivisionError


def test_no_limits() -> None:
    """What is not set limits nothing."""
    quotas = Quotas(None, None)
    with ExitStack() as held:
        for _ in range(1000):
            quotas.count_start(DESK)
            held.enter_context(quotas.stream(DESK))


# Over HTTP.


class Streams:
    """Streams that say nothing, until all of them are ended."""

    def __init__(self) -> None:
        self.opened: asyncio.Queue[None] = asyncio.Queue()
        self.end = asyncio.Event()

    async def open(self, *_: Any) -> "Streams":
        return self

    def __enter__(self) -> None:
        self.opened.put_nowait(None)

    def __exit__(self, *_: object) -> None:
        pass

    async def next(self) -> list[Any]:
        await self.end.wait()
        return []


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    """Let each run have a silent stream."""
    streams = Streams()
    monkeypatch.setattr(RunEvents, "open", streams.open)
    return streams


async def open_stream(client: Client, streams: Streams, key: str) -> asyncio.Task[Any]:
    """Ask for a stream; return once it is open, or refused."""
    headers = {"authorization": f"Bearer {key}"}
    answer = asyncio.create_task(client.get(EVENTS, headers=headers))
    opened = asyncio.create_task(streams.opened.get())
    await asyncio.wait([answer, opened], return_when=asyncio.FIRST_COMPLETED)
    opened.cancel()
    return answer


KEYS = {
    "acme": [
        {"name": name, "sha256": hash_of_key(name), "rights": ["read", "invoke"]}
        for name in ("desk", "shop")
    ]
}


@pytest.mark.parametrize("how", ["its end", "a client that goes away"])
async def test_a_stream_is_given_back(connect: Connect, streams: Streams, how: str) -> None:
    """A key's place is free again when its stream is over, whoever ended it."""
    async with connect(keys=KEYS, max_streams_per_key=2) as client:
        for _ in range(3):
            streams.end.clear()
            tasks = [await open_stream(client, streams, key) for key in ("desk", "desk", "shop")]
            assert not any(task.done() for task in tasks)
            refused = (await open_stream(client, streams, "desk")).result()
            assert "2 streams" in problem(refused, 429, "key-limit")["detail"]
            assert refused.headers["retry-after"] == "5"
            if how == "its end":
                streams.end.set()
            else:
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks)


async def test_starts(connect: Connect) -> None:
    """A start beyond the limit is refused before its body is read, also one that is a stream."""
    async with connect(keys=KEYS, max_runs_per_key=2, max_streams_per_key=1) as client:
        accept = {"authorization": "Bearer desk", "accept": "text/event-stream"}
        for _ in range(2):  # nothing of these could be started, and no stream is left open
            answer = await client.post("/agents/support/runs", json={}, headers=accept)
            problem(answer, 422, "invalid-request")
        headers = {"authorization": "Bearer desk", "content-type": "application/json"}
        answer = await client.post("/agents/support/runs", content=b"{", headers=headers)
        problem(answer, 429, "key-limit")
        assert 55 <= int(answer.headers["retry-after"]) <= 60
        other = {"authorization": "Bearer shop"}
        answer = await client.post("/agents/support/runs", json={"input": "Hi."}, headers=other)
        assert answer.status_code == 503  # nobody is behind
        assert (await client.get(EVENTS, headers=headers)).status_code == 503


USER = {"role": "user", "content": "Hi."}
UI = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hi."}]}
STREAMED = [
    ("/v1/chat/completions", {"model": "support", "messages": [USER], "stream": True}),
    ("/v1/responses", {"model": "support", "input": "Hi.", "stream": True}),
    ("/ai-sdk/support", {"id": "c1", "messages": [UI]}),
    ("/ag-ui/support", {"threadId": "t", "runId": "r", "messages": [{"id": "m1", **USER}]}),
]


@pytest.mark.parametrize(("path", "body"), STREAMED)
async def test_streams_of_other_protocols(
    connect: Connect, streams: Streams, path: str, body: Any
) -> None:
    """Who may open no other stream is refused before a run is started; each is given back."""
    headers = {"authorization": "Bearer desk"}
    async with connect(keys=KEYS, max_streams_per_key=1) as client:
        for _ in range(2):  # nobody is behind: nothing was started, and no stream is left open
            assert (await client.post(path, json=body, headers=headers)).status_code == 503
        open_one = await open_stream(client, streams, "desk")
        answer = await client.post(path, json=body, headers=headers)
        assert (answer.status_code, "streams" in answer.text) == (429, True)
        other = await client.post(path, json=body, headers={"authorization": "Bearer shop"})
        assert other.status_code == 503
        open_one.cancel()
        await asyncio.wait([open_one])
        assert (await client.post(path, json=body, headers=headers)).status_code == 503
