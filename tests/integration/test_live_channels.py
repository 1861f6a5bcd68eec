"""The channel of live events, from the worker's hub to the app's reader: the same for each kind."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import hypercorn.asyncio
import hypercorn.config
import pytest
from redis.asyncio import Redis

from fakes.records import NOON
from fakes.redis_server import RedisServer
from outlast.events import MessageCompleted, RunStarted
from outlast.live import Committed, redis_stream
from outlast.names import RunRef
from outlast.protocol import Message, Usage
from outlast_app.live.redis import RedisStreams
from outlast_app.live.source import LiveBatches, LiveSource
from outlast_app.live.worker import WorkerStreams
from outlast_app.main import live_source
from outlast_app.runs.feed import FeedCursor, RunFeed
from outlast_app.settings import AppSettings
from outlast_local.ports import free_ports
from outlast_worker.live.http import LiveStreams
from outlast_worker.live.hub import LiveHub
from outlast_worker.live.redis import RedisRelay

RUN = "tester.aaaaaaaaaaaaaaaaaaaaaaaaaa"
REF = RunRef("default", RUN)
KEY = REF.key
DEADLINE_S = 10


class Reader:
    """What comes from a run, as a follower is shown it, and the word of what is committed."""

    def __init__(self, batches: LiveBatches) -> None:
        self.connected = False
        self.committed: list[Committed] = []
        self.events: list[dict[str, Any]] = []
        self._batches = batches
        self._feed = RunFeed(RUN)
        self._cursor = FeedCursor(self._feed, 0)

    @property
    def text(self) -> str:
        """What a client shows of the answer."""
        text = ""
        for event in self.events:
            match event["type"]:
                case "message.reset":
                    text = ""
                case "message.snapshot":
                    text = event["text"]
                case "message.delta":
                    text += event["text"]
                case _:
                    pass
        return text

    @property
    def attempts(self) -> list[int]:
        return [event["attempt"] for event in self.events if "attempt" in event]

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event["type"] == kind]

    async def next(self) -> None:
        """Read one batch."""
        batch = await anext(self._batches)
        is_first, self.connected = not self.connected, batch is not None
        for heard in batch or []:
            if isinstance(heard.item, Committed):
                self.committed.append(heard.item)
                self._feed.complete_turn(heard.item.turn)
            else:
                self._feed.show(heard)
        if is_first:
            self._feed.condense()
        self.events += [json.loads(event.data) for event in self._cursor.read()]

    async def until(self, reached: Callable[[], object]) -> None:
        """Read until something is true."""
        async with asyncio.timeout(DEADLINE_S):
            while not reached():
                await self.next()

    async def until_text(self, text: str) -> None:
        await self.until(lambda: self.text == text)


class Channel:
    """Both ends of a channel."""

    def __init__(self, hub: LiveHub, source: LiveSource, server: RedisServer | None = None) -> None:
        self.hub = hub
        self.source = source
        self.server = server

    @asynccontextmanager
    async def reader(self) -> AsyncGenerator[Reader]:
        """Listen, and return when news would be heard."""
        async with aclosing(self.source.listen(REF)) as batches:
            reader = Reader(batches)
            await reader.until(lambda: reader.connected)
            yield reader


@asynccontextmanager
async def embedded(_directory: Path) -> AsyncGenerator[Channel]:
    hub, [port] = LiveHub(0.01), free_ports(1)
    config, stop = hypercorn.config.Config(), asyncio.Event()
    config.bind = [f"127.0.0.1:{port}"]
    streams = LiveStreams(hub, "secret")

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await streams(scope, receive, send)

    serving = asyncio.create_task(
        hypercorn.asyncio.serve(serve, config, shutdown_trigger=stop.wait)
    )
    async with aiohttp.ClientSession() as session:
        yield Channel(hub, WorkerStreams(session, f"http://127.0.0.1:{port}", "secret"))
    streams.end()
    stop.set()
    await serving


@asynccontextmanager
async def redis_streams(directory: Path) -> AsyncGenerator[Channel]:
    with RedisServer(directory) as server:
        writer, reader = Redis.from_url(server.url), Redis.from_url(server.url)
        hub = LiveHub(0.01, RedisRelay(writer, ""))
        yield Channel(hub, RedisStreams(reader, ""), server)
        await hub.close()
        await writer.aclose()
        await reader.aclose()


@pytest.fixture(params=[embedded, redis_streams], ids=["embedded", "redis"])
async def channel(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Channel]:
    async with request.param(tmp_path) as made:
        yield made


def started(seq: int) -> RunStarted:
    return RunStarted(run_id=RUN, seq=seq)


def completed(seq: int, turn: int, text: str) -> MessageCompleted:
    message = Message(id="m", role="assistant", content=text, run_id=RUN, created_at=NOON)
    return MessageCompleted(
        run_id=RUN,
        seq=seq,
        turn=turn,
        message=message,
        usage=Usage(),
        model="m",
        finish_reason="stop",
    )


async def test_answer_as_it_grows(channel: Channel):
    """A reader hears of a new answer, then of each piece, numbered without a gap."""
    async with channel.reader() as reader:
        with channel.hub.running(KEY, RUN):
            answer = channel.hub.begin(KEY, 1)
            await reader.until(lambda: reader.events)
            for count, piece in enumerate(("one ", "two ", "three"), start=1):
                answer.add("text", piece)
                await reader.until(lambda: len(reader.of("message.delta")) == count)  # noqa: B023  # awaited at once
    assert reader.text == "one two three"
    assert [delta["n"] for delta in reader.of("message.delta")] == [0, 1, 2]


async def test_reasoning_beside_text(channel: Channel):
    """Reasoning comes as such, in one count with the text."""
    async with channel.reader() as reader:
        with channel.hub.running(KEY, RUN):
            answer = channel.hub.begin(KEY, 1)
            await reader.until(lambda: reader.events)
            answer.add("reasoning", "Hm. ")
            answer.add("text", "Yes.")
            await reader.until_text("Yes.")
    assert [delta["text"] for delta in reader.of("reasoning.delta")] == ["Hm. "]
    assert [event["n"] for event in reader.events if event["type"].endswith(".delta")] == [0, 1]


async def test_reader_that_comes_late(channel: Channel):
    """Who comes in the middle gets all there is, then goes on with the rest."""
    with channel.hub.running(KEY, RUN):
        channel.hub.announce(KEY, started(1))
        answer = channel.hub.begin(KEY, 1)
        async with channel.reader() as early:
            answer.add("reasoning", "Hm. ")
            answer.add("text", "one ")
            await early.until_text("one ")
            async with channel.reader() as reader:
                await reader.until_text("one ")
                answer.add("text", "two")
                await reader.until_text("one two")
    snapshot = reader.of("message.snapshot")[0]
    assert (snapshot["turn"], snapshot["text"], snapshot["reasoning"]) == (1, "one ", "Hm. ")
    assert reader.of("message.delta")[0]["n"] == snapshot["n"]
    assert reader.committed[-1].seq == 1


async def test_answer_that_begins_anew(channel: Channel):
    """A repeated model call voids what was shown, by a reset with a higher attempt."""
    async with channel.reader() as reader:
        with channel.hub.running(KEY, RUN):
            orphan = channel.hub.begin(KEY, 1)
            orphan.add("text", "wrong")
            await reader.until_text("wrong")
            answer = channel.hub.begin(KEY, 1)
            orphan.add("text", " and late")
            answer.add("text", "right")
            await reader.until_text("right")
    assert reader.attempts == sorted(reader.attempts)
    assert len(set(reader.attempts)) == 2
    assert "late" not in "".join(delta["text"] for delta in reader.of("message.delta"))


async def test_committed_events_are_announced(channel: Channel):
    """Each committed event makes itself heard, an old one that is replayed does not."""
    async with channel.reader() as reader:
        with channel.hub.running(KEY, RUN):
            channel.hub.announce(KEY, started(3))
            await reader.until(lambda: reader.committed)
            channel.hub.announce(KEY, started(2))
            channel.hub.announce(KEY, started(4))
            await reader.until(lambda: reader.committed[-1].seq == 4)
    assert [word.seq for word in reader.committed] == [3, 4]


async def test_progress(channel: Channel):
    """The last word of each tool call comes through; a late reader gets it as well."""
    with channel.hub.running(KEY, RUN):
        report = channel.hub.make_reporter(KEY, "1.0")
        async with channel.reader() as early:
            await asyncio.to_thread(report, 3, 3, "all of it")
            await early.until(lambda: early.of("tool_call.progress"))
        async with channel.reader() as reader:
            await reader.until(lambda: reader.of("tool_call.progress"))
    progress = reader.of("tool_call.progress")[-1]
    assert (progress["call_id"], progress["done"], progress["total"]) == ("1.0", 3, 3)
    assert progress["message"] == "all of it"


async def test_answer_without_a_reader(channel: Channel):
    """A long answer that nobody watches is there, whole, for whoever comes."""
    with channel.hub.running(KEY, RUN):
        answer = channel.hub.begin(KEY, 1)
        for index in range(2000):
            answer.add("text", f"{index} ")
        answer.end()
        async with channel.reader() as reader:
            await reader.until_text("".join(f"{index} " for index in range(2000)))


async def test_redis_that_dies(tmp_path: Path):
    """After a loss of Redis and all its data, readers have the whole text again."""
    async with redis_streams(tmp_path) as channel, channel.reader() as reader:
        assert channel.server
        with channel.hub.running(KEY, RUN):
            answer = channel.hub.begin(KEY, 1)
            answer.add("text", "one ")
            await reader.until_text("one ")
            channel.server.kill()
            answer.add("text", "two ")
            await asyncio.sleep(0.1)  # it is written, in vain
            channel.server.start()
            answer.add("text", "three")
            await reader.until_text("one two three")
    assert reader.attempts == sorted(reader.attempts)


async def test_redis_that_is_away_at_first(tmp_path: Path):
    """An answer that began without Redis is shown from the moment that it is there."""
    async with redis_streams(tmp_path) as channel, channel.reader() as reader:
        assert channel.server
        channel.server.kill()
        with channel.hub.running(KEY, RUN):
            answer = channel.hub.begin(KEY, 1)
            answer.add("text", "one ")
            await asyncio.sleep(0.1)  # it is written, in vain
            channel.server.start()
            answer.add("text", "two")
            await reader.until_text("one two")


async def test_redis_holds_little_of_a_long_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A stream begins anew with a snapshot before it gets long, and readers miss nothing."""
    monkeypatch.setattr("outlast_worker.live.redis._LONG", 10)
    async with redis_streams(tmp_path) as channel, channel.reader() as reader:
        assert channel.server
        with channel.hub.running(KEY, RUN):
            answer = channel.hub.begin(KEY, 1)
            for index in range(50):
                answer.add("text", f"{index} ")
                await reader.until(lambda: reader.text.endswith(f"{index} "))  # noqa: B023  # awaited at once
        assert reader.text == "".join(f"{index} " for index in range(50))
        async with Redis.from_url(channel.server.url) as redis:
            assert await redis.xlen(redis_stream("", KEY)) < 20


async def test_more_readers_than_the_pool_of_redis(tmp_path: Path):
    """Each stream that is watched has a connection, however many there are."""
    with RedisServer(tmp_path) as server:
        settings = AppSettings.model_validate({"AGENTS": "fakes.agents", "REDIS_URL": server.url})
        async with (
            aiohttp.ClientSession() as session,
            live_source(settings, session) as source,
            AsyncExitStack() as stack,
        ):
            refs = [RunRef("t", f"tester.{index:026}") for index in range(130)]
            listening = [await stack.enter_async_context(aclosing(source.listen(r))) for r in refs]
            async with asyncio.timeout(DEADLINE_S * 3):
                assert await asyncio.gather(*map(anext, listening)) == [[]] * 130
            # Each waits for more now, at its own connection, and loses none.
            waiting = [asyncio.ensure_future(anext(batches)) for batches in listening]
            done, _ = await asyncio.wait(waiting, timeout=2)
            assert not done
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)


async def test_orphan_in_another_worker(tmp_path: Path):
    """Of two workers that stream one turn, only the one that began last is heard."""
    async with redis_streams(tmp_path) as channel, channel.reader() as reader:
        assert channel.server
        redis = Redis.from_url(channel.server.url)
        other = LiveHub(0.01, RedisRelay(redis, ""))
        with channel.hub.running(KEY, RUN), other.running(KEY, RUN):
            orphan = channel.hub.begin(KEY, 1)
            orphan.add("text", "wrong")
            await reader.until_text("wrong")
            answer = other.begin(KEY, 1)
            answer.add("text", "right")
            await reader.until_text("right")
            orphan.add("text", " and late")
            channel.hub.announce(KEY, started(9))  # comes after what the orphan has to say
            await reader.until(lambda: reader.committed[-1].seq == 9)
        assert reader.text == "right"
        await other.close()
        await redis.aclose()


@pytest.mark.parametrize("secret", [None, "wrong"])
async def test_stream_without_the_secret(secret: str | None):
    """Without the secret nothing is told, and the reader says that it is not connected."""
    hub = LiveHub(0.01)
    streams = LiveStreams(hub, "secret")
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {secret}".encode())] if secret else []
    scope = {"path": f"/streams/{KEY}", "headers": headers, "client": ("127.0.0.1", 1)}
    await streams(scope, receive, send)
    assert sent[0]["status"] == 401
