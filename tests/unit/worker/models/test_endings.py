"""A call's end, whatever the provider does: cancelled, given up, beside others."""

import asyncio

import pytest

from fakes import Gate, attempts, hang, text
from outlast_worker.engine.records import ModelRecord
from unit.worker.models.asking import Asker, given_up

# pydantic warns of things inside litellm; raised there, they would end a stream as faults.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@both_ways
async def test_cancel_closes_the_connection(ask: Asker, stream: bool) -> None:
    """A cancelled call ends the provider's work too: it sees its client go."""
    asked = asyncio.create_task(ask(hang(), stream=stream))
    await asyncio.to_thread(ask.server.wait_for, ask.key)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await asyncio.to_thread(ask.server.wait_for, ask.key, outcome="aborted")
    assert ask.requests == 1


async def test_cancel_within_a_stream(ask: Asker) -> None:
    """The same between two pieces of a streamed answer."""
    gate = Gate(after_chunks=2)
    asked = asyncio.create_task(ask(text("one two three", gate=gate), stream=True))
    await asyncio.to_thread(gate.wait_reached)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await asyncio.to_thread(ask.server.wait_for, ask.key, outcome="aborted")


async def test_a_stream_that_drips(ask: Asker) -> None:
    """The timeout is of the whole call: a stream that goes on and on is given up."""
    outcome, _ = await given_up(ask, text("word " * 10_000, pace_s=0.1), "timeout_s", stream=True)
    assert outcome.error.type == "model-unavailable"
    assert outcome.retry_after_s is not None


async def test_a_stream_that_stalls(ask: Asker) -> None:
    """A stream that stops in its middle is given up too."""
    stalling = text("one two three", gate=Gate(after_chunks=2))
    outcome, _ = await given_up(ask, stalling, "timeout_s", stream=True)
    assert outcome.error.type == "model-unavailable"
    assert outcome.retry_after_s is not None


@both_ways
async def test_a_silent_provider(ask: Asker, stream: bool) -> None:
    """One that says nothing is given up long before the timeout, and may be asked again."""
    outcome, idle_s = await given_up(ask, hang(), "idle_s", stream=stream)
    assert outcome.error.message == f"The model was silent for {idle_s:g} s."
    assert outcome.error.type == "model-unavailable"
    assert outcome.retry_after_s is not None


@both_ways
async def test_a_stream_that_falls_silent(ask: Asker, stream: bool) -> None:
    """The same in the middle of an answer, whether or not somebody watches."""
    stalling = text("one two three", gate=Gate(after_chunks=2))
    outcome, _ = await given_up(ask, stalling, "idle_s", stream=stream)
    assert "silent" in outcome.error.message


async def test_a_slow_stream_is_not_silent(ask: Asker) -> None:
    """Each piece counts as a word: the whole may take longer."""
    said = "one two three four five six"
    for idle_s in (0.35, 1.0, 3.0):  # a busy machine makes pauses of its own
        got = await ask.another()(text(said, pace_s=idle_s / 3.5), idle_s=idle_s)
        if isinstance(got, ModelRecord):
            break
    assert isinstance(got, ModelRecord), got
    assert got.text == said


async def test_calls_at_once(ask: Asker) -> None:
    """Calls don't wait for each other."""
    gate = Gate()
    ask.server.script(ask.key, [attempts(text("slow", gate=gate), text("fast"))])
    slow = asyncio.create_task(ask())
    await asyncio.to_thread(gate.wait_reached)
    fast = await ask()
    assert isinstance(fast, ModelRecord)
    assert fast.text == "fast"
    gate.open()
    assert isinstance(await slow, ModelRecord)
